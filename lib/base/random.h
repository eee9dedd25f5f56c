/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers that nobody can guess, as far as the kernel has any. */
#ifndef QBI_BASE_RANDOM_H
#define QBI_BASE_RANDOM_H

#include <stdint.h>

/*
 * A number other than 0. Does not wait for the kernel to gather randomness: early at boot it
 * may be guessed, so do not rely on it alone. 0 or -errno; -EBUSY early at boot, before
 * Linux 5.6.
 */
int qbi_random_number(uint64_t *ret);

#endif
