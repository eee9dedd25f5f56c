/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Public structs that grow follow one rule. Each begins with a size_t: the size of the
 * struct when the program was compiled. New fields are only added at the end. An older
 * program passes a shorter struct: fields that it does not have get their default, or are
 * left out of an answer. A newer program passes a longer struct: in the bytes that this
 * library does not know, only zeros are accepted (otherwise -E2BIG), and an answer has
 * zeros there.
 */
#ifndef QBI_BASE_SIZED_H
#define QBI_BASE_SIZED_H

#include <stdbool.h>
#include <stddef.h>

/* The size and one more field: no struct has a meaning with less. */
#define QBI_SIZED_LEAST (2 * sizeof(size_t))

/* Bytes of @type up to the end of @field. */
#define QBI_SIZED_THROUGH(type, field) (offsetof(type, field) + sizeof(((type *)NULL)->field))

/* Does the caller's struct *@p have @field? */
#define QBI_SIZED_HAS(p, field) ((p)->size >= QBI_SIZED_THROUGH(__typeof__(*(p)), field))

/*
 * Copy the caller's struct @theirs to @ours, which has @size bytes. On success all of @ours
 * is written, with its own size. 0; -EINVAL @theirs is NULL or shorter than @least; -E2BIG.
 */
int qbi_sized_take(void *ours, size_t size, const void *theirs, size_t least);

/* Why qbi_sized_take() of @theirs failed with @error, in words. */
const char *qbi_sized_why(const void *theirs, int error);

/* Can *@theirs be filled in? 0; -EINVAL it is NULL or shorter than QBI_SIZED_LEAST. */
int qbi_sized_check(const void *theirs);

/*
 * Fill in *@theirs from @ours, which has @size bytes: as much as @theirs has room for, and
 * zeros after the end of @ours. The size in @theirs stays. 0; -EINVAL as qbi_sized_check(),
 * and then nothing is written.
 */
int qbi_sized_give(void *theirs, const void *ours, size_t size);

#endif
