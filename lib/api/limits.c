/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc_service_limits and _refusals. The structs begin with their size as the caller
 * knows them. A shorter one is an older program's: what it does not know is left to the
 * library. A longer one is a newer program's: what this library does not know must not be
 * asked for, and is zero in answers.
 */
#include <errno.h>
#include <qbipc/limits.h>
#include <stdbool.h>
#include <string.h>

#include "server/service.h"

/* Where the first versions of the structs end. A field that is added comes behind. */
#define LIMITS_SIZE_MIN 96
#define REFUSALS_SIZE_MIN 136

_Static_assert(sizeof(struct qbipc_service_limits) >= LIMITS_SIZE_MIN, "only grows");
_Static_assert(sizeof(struct qbipc_service_refusals) >= REFUSALS_SIZE_MIN, "only grows");

static bool is_zero(const char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

/* Ours, of @ours bytes, into theirs of @theirs, whose first field stays as it is. */
static void answer_copy(void *to, size_t theirs, const void *from, size_t ours)
{
	size_t known = theirs < ours ? theirs : ours;

	memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
	       known - sizeof(size_t));
	memset((char *)to + known, 0, theirs - known);
}

int qbipc_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits)
{
	struct qbipc_service_limits wanted = { 0 };
	size_t known;
	int r;

	if (!s || !limits || limits->size < LIMITS_SIZE_MIN)
		return -EINVAL;
	known = limits->size < sizeof(wanted) ? limits->size : sizeof(wanted);
	if (!is_zero((const char *)limits + known, limits->size - known))
		return -E2BIG;
	memcpy(&wanted, limits, known);
	r = qbi_limits_set(&s->limits, &wanted);
	if (r == 0)
		(void)qbi_deadlines_update(s);
	return r;
}

int qbipc_service_limits_get(qb_ipcs_service_t *s, struct qbipc_service_limits *limits)
{
	if (!s || !limits || limits->size < LIMITS_SIZE_MIN)
		return -EINVAL;
	answer_copy(limits, limits->size, &s->limits.at, sizeof(s->limits.at));
	return 0;
}

int qbipc_service_refusals_get(qb_ipcs_service_t *s, struct qbipc_service_refusals *refusals)
{
	struct qbipc_service_refusals all;

	if (!s || !refusals || refusals->size < REFUSALS_SIZE_MIN)
		return -EINVAL;
	qbi_refusals_read(&s->refusals, &all);
	answer_copy(refusals, refusals->size, &all, sizeof(all));
	return 0;
}
