/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/refused.h"
#include "base/util.h"

/* Linux 6.3; the headers may be older than the kernel. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int qbi_sealed_create(size_t size, enum qbi_sealed_call *ret_call)
{
	_cleanup_(qbi_closep) int fd = -1;
	int r;

	*ret_call = QBI_SEALED_MEMFD_CREATE;
	fd = memfd_create("qbipc", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("qbipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	*ret_call = QBI_SEALED_FTRUNCATE;
	r = qbi_file_extend(fd, size);
	if (r < 0)
		return r;
	*ret_call = QBI_SEALED_FCNTL;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return qbi_take_fd(&fd);
}

int qbi_sealed_reopen(int fd, enum qbi_sealed_call *ret_call)
{
	_cleanup_(qbi_closep) int for_reading = -1;
	char path[sizeof("/proc/self/fd/") + 10];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_call = QBI_SEALED_OPEN;
	for_reading = open(path, O_RDONLY | O_CLOEXEC);
	if (for_reading < 0)
		return -errno;
	*ret_call = QBI_SEALED_FCHMOD;
	return fchmod(fd, 0) < 0 ? -errno : qbi_take_fd(&for_reading);
}

int qbi_sealed_check(int fd, uint64_t *ret_size, enum qbi_sealed_call *ret_call)
{
	struct statfs fs;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	int r;

	/* Only a memfd can have F_SEAL_SHRINK and F_SEAL_GROW. */
	*ret_call = QBI_SEALED_FCNTL;
	if (seals < 0 && qbi_is_refused(errno))
		return -errno;
	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EBADMSG;
	*ret_call = QBI_SEALED_FSTAT;
	r = qbi_status_get(fd, &st);
	if (r < 0)
		return r;
	*ret_call = QBI_SEALED_FSTATFS;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	/* With huge pages, an access to a hole is a fault if no huge page is free. */
	if (fs.f_type != TMPFS_MAGIC)
		return -EBADMSG;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}
