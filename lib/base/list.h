/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Intrusive doubly linked list. A node that is in no list points to itself, so
 * unlinking twice is harmless.
 */
#ifndef QBI_BASE_LIST_H
#define QBI_BASE_LIST_H

#include <stdbool.h>

#include "base/util.h"

struct qbi_list {
	struct qbi_list *next;
	struct qbi_list *prev;
};

static inline void qbi_list_init(struct qbi_list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool qbi_list_is_empty(const struct qbi_list *l)
{
	return l->next == l;
}

static inline void qbi_list_insert_between(struct qbi_list *node, struct qbi_list *prev,
					   struct qbi_list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void qbi_list_push_front(struct qbi_list *head, struct qbi_list *node)
{
	qbi_list_insert_between(node, head, head->next);
}

static inline void qbi_list_push_back(struct qbi_list *head, struct qbi_list *node)
{
	qbi_list_insert_between(node, head->prev, head);
}

static inline void qbi_list_unlink(struct qbi_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	qbi_list_init(node);
}

/* First node, or NULL when the list is empty. */
static inline struct qbi_list *qbi_list_first(const struct qbi_list *head)
{
	return qbi_list_is_empty(head) ? NULL : head->next;
}

#define qbi_list_entry(ptr, type, member) qbi_container_of(ptr, type, member)

/* A walk during which the current entry may be unlinked, but not the next one. */
#define qbi_list_for_each_safe(pos, tmp, head)                                                 \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                       \
	     (pos) = (tmp), (tmp) = (pos)->next)

#define qbi_list_for_each(pos, head)                                                           \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

#endif
