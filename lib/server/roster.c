/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/roster.h"

static struct qbi_roster_entry *roster_entry_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_roster_entry, link);
}

void qbi_roster_init(struct qbi_roster *r)
{
	qbi_list_init(&r->entries);
	r->last_place = 0;
}

void qbi_roster_entry_init(struct qbi_roster_entry *e)
{
	qbi_list_init(&e->link);
	e->place = 0;
}

void qbi_roster_add(struct qbi_roster *r, struct qbi_roster_entry *e)
{
	qbi_list_push_front(&r->entries, &e->link);
	e->place = ++r->last_place;
}

void qbi_roster_remove(struct qbi_roster_entry *e)
{
	qbi_list_unlink(&e->link);
}

/* The entry after @current, or after its former place if it was removed. */
static struct qbi_list *place_after(const struct qbi_roster *r,
				    const struct qbi_roster_entry *current)
{
	struct qbi_list *pos;

	if (current->place && !qbi_list_is_empty(&current->link))
		return current->link.next;
	qbi_list_for_each(pos, &r->entries)
		if (roster_entry_of(pos)->place < current->place)
			break;
	return pos;
}

struct qbi_roster_entry *qbi_roster_next(const struct qbi_roster *r,
					 const struct qbi_roster_entry *current)
{
	struct qbi_list *pos = current ? place_after(r, current) : r->entries.next;

	return pos == &r->entries ? NULL : roster_entry_of(pos);
}
