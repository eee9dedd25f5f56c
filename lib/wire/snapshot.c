/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/snapshot.h"

/* A, and twice and five times as much. */
#define DECADE(A) (A), 2 * (A), 5 * (A)

uint64_t qbi_snapshot_bound(unsigned int index)
{
	static const uint64_t bounds[] = {
		DECADE(1000ull),       DECADE(10000ull),    DECADE(100000ull),
		DECADE(1000000ull),    DECADE(10000000ull), DECADE(100000000ull),
		DECADE(1000000000ull), 10000000000ull,	    20000000000ull,
	};

	_Static_assert(sizeof(bounds) / sizeof(bounds[0]) == QBI_SNAPSHOT_BUCKETS - 1,
		       "all but the last have a bound");
	return index < QBI_SNAPSHOT_BUCKETS - 1 ? bounds[index] : UINT64_MAX;
}
