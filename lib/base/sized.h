/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one rule for public structs that grow. Each begins with a size_t, its size as the
 * program was compiled with it; a field is only ever added at the end. A shorter struct
 * is an older program's: what it does not know is default, or left out of an answer. A
 * longer one is a newer program's: what we do not know must not be asked for (-E2BIG),
 * and is zero in an answer.
 */
#ifndef QBI_BASE_SIZED_H
#define QBI_BASE_SIZED_H

#include <stdbool.h>
#include <stddef.h>

/* The size and one field more: no struct says anything with less. */
#define QBI_SIZED_LEAST (2 * sizeof(size_t))

/* Bytes of @type up to the end of @field. */
#define QBI_SIZED_THROUGH(type, field) (offsetof(type, field) + sizeof(((type *)NULL)->field))

/* Does *@p, in memory of the caller, have @field? */
#define QBI_SIZED_HAS(p, field) ((p)->size >= QBI_SIZED_THROUGH(__typeof__(*(p)), field))

/*
 * Take @theirs over into @ours, which has @size bytes: all of it is written on success,
 * the size is ours. 0; -EINVAL there is none or it is below @least; -E2BIG.
 */
int qbi_sized_take(void *ours, size_t size, const void *theirs, size_t least);

/* Why qbi_sized_take() of @theirs failed with @error, in words. */
const char *qbi_sized_why(const void *theirs, int error);

/* Can @theirs be given something? 0; -EINVAL there is none or it is below the least. */
int qbi_sized_check(const void *theirs);

/*
 * Give @theirs what it knows of @ours, which has @size bytes, and zeros where that ends;
 * its own size stays. As qbi_sized_check(), and nothing is written then.
 */
int qbi_sized_give(void *theirs, const void *ours, size_t size);

#endif
