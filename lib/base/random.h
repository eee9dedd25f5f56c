/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers that nobody can guess. */
#ifndef QBI_BASE_RANDOM_H
#define QBI_BASE_RANDOM_H

#include <stdint.h>

/*
 * A number other than 0. Does not wait for the kernel to gather randomness early at boot. 0
 * or -errno.
 */
int qbi_random_number(uint64_t *ret);

#endif
