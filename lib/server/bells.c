/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/bells.h"

#include <stddef.h>

#include "base/random.h"

void qbi_bells_init(struct qbi_bells *b)
{
	size_t i;

	for (i = 0; i < QBI_BELL_BUCKETS; i++)
		qbi_list_init(&b->waiting[i]);
}

void qbi_bell_init(struct qbi_bell *e)
{
	*e = (struct qbi_bell){ .number = 0 };
	qbi_list_init(&e->link);
}

struct qbi_bell *qbi_bells_find(struct qbi_bells *b, uint64_t number)
{
	struct qbi_list *bucket = &b->waiting[number % QBI_BELL_BUCKETS];
	struct qbi_list *pos;

	qbi_list_for_each(pos, bucket) {
		struct qbi_bell *e = qbi_list_entry(pos, struct qbi_bell, link);

		if (e->number == number)
			return e;
	}
	return NULL;
}

bool qbi_bells_one_waits(struct qbi_bells *b, uid_t uid)
{
	struct qbi_list *pos;
	size_t i;

	for (i = 0; i < QBI_BELL_BUCKETS; i++)
		qbi_list_for_each(pos, &b->waiting[i])
			if (qbi_list_entry(pos, struct qbi_bell, link)->uid == uid)
				return true;
	return false;
}

int qbi_bells_add(struct qbi_bells *b, struct qbi_bell *e, uid_t uid)
{
	uint64_t number;
	int r;

	do {
		r = qbi_random_number(&number);
		if (r < 0)
			return r;
	} while (qbi_bells_find(b, number));
	e->number = number;
	e->uid = uid;
	qbi_list_push_back(&b->waiting[number % QBI_BELL_BUCKETS], &e->link);
	return 0;
}

void qbi_bell_remove(struct qbi_bell *e)
{
	qbi_list_unlink(&e->link);
	e->number = 0;
}
