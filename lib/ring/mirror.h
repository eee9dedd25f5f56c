/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data of a ring mapped twice, one behind the other, so that each message is in one piece:
 * for an end that builds or reads messages where they lie.
 *
 * It is made from the mapping that is there, at the first use that needs it, so that a
 * connection which never does so has no more mappings than without.
 */
#ifndef QBI_RING_MIRROR_H
#define QBI_RING_MIRROR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

struct qbi_mirror {
	unsigned char *base; /* NULL: none */
	size_t size;	     /* of the data, bytes */
	bool tried;
};

/*
 * Map the @size bytes at @data, whole pages of a shared mapping, twice. True: @m has them, now
 * or since an earlier call. False: that cannot be, and is not tried again. Locked memory is
 * not mapped again, because it would count again.
 */
bool qbi_mirror_open(struct qbi_mirror *m, void *data, size_t size,
		     const struct qbi_locking *locking);

/* Idempotent; all zeros is closed. */
void qbi_mirror_close(struct qbi_mirror *m);

#endif
