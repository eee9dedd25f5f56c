/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growing the files that this library makes. Beyond RLIMIT_FSIZE the kernel sends SIGXFSZ,
 * which ends the process, so the limit is checked first. And reading short ones.
 */
#ifndef QBI_BASE_FILE_H
#define QBI_BASE_FILE_H

#include <stddef.h>

/* Give a file @size bytes, all zero. 0; -EFBIG beyond the limit of this process; -errno. */
int qbi_file_extend(int fd, size_t size);

/* The beginning of a file, as a string. 0 or -errno. */
int qbi_file_text(const char *path, char *buf, size_t size);

#endif
