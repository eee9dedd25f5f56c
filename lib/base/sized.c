/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sized.h"

#include <errno.h>
#include <string.h>

static size_t size_of(const void *theirs)
{
	size_t size;

	memcpy(&size, theirs, sizeof(size));
	return size;
}

static bool is_zero(const char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

int qbi_sized_take(void *ours, size_t size, const void *theirs, size_t least)
{
	size_t given, known;

	if (!theirs)
		return -EINVAL;
	given = size_of(theirs);
	if (given < least)
		return -EINVAL;
	known = given < size ? given : size;
	if (!is_zero((const char *)theirs + known, given - known))
		return -E2BIG;
	memcpy(ours, theirs, known);
	memset((char *)ours + known, 0, size - known);
	memcpy(ours, &size, sizeof(size));
	return 0;
}

const char *qbi_sized_why(const void *theirs, int error)
{
	if (!theirs)
		return "it is NULL";
	return error == -E2BIG ? "it asks for something that this library does not know" :
				 "its size is too small";
}

int qbi_sized_check(const void *theirs)
{
	return theirs && size_of(theirs) >= QBI_SIZED_LEAST ? 0 : -EINVAL;
}

int qbi_sized_give(void *theirs, const void *ours, size_t size)
{
	size_t given, known;

	if (qbi_sized_check(theirs) < 0)
		return -EINVAL;
	given = size_of(theirs);
	known = given < size ? given : size;
	memcpy((char *)theirs + sizeof(size_t), (const char *)ours + sizeof(size_t),
	       known - sizeof(size_t));
	memset((char *)theirs + known, 0, given - known);
	return 0;
}
