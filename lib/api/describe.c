/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of <qbipc/describe.h>. */
#include <errno.h>
#include <qbipc/describe.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sized.h"
#include "base/unfinished.h"
#include "base/util.h"
#include "client/inquire.h"

struct qbipc_description {
	struct qbi_unfinished reading;
	struct ucred server;
	struct qbi_description all;
};

/* Read one page. 1: there are more. */
static int description_page_read(qbipc_description_t *d, const char *name, uint64_t deadline)
{
	_cleanup_(qbi_inquiry_freep) struct qbi_inquiry *q = qbi_inquiry_new();
	uint32_t n = d->all.count;
	struct qbi_hello question;
	int r;

	if (!q)
		return -ENOMEM;
	qbi_hello_ask_describe(&question,
			       n ? qbi_description_place(d->all.records[n - 1].id) + 1 : 0);
	r = qbi_inquire(q, name, &question, deadline);
	if (r < 0)
		return r;
	if (!qbi_inquiry_is_answered(q, QBI_ABILITY_DESCRIBE))
		return -EOPNOTSUPP;
	if (q->welcome.error != 0)
		return q->welcome.error < 0 ? q->welcome.error : -EBADMSG;
	/* Another process has the name now, and may have other handlers. */
	if (n && q->server.pid != d->server.pid)
		return -ECONNRESET;
	d->server = q->server;
	return qbi_inquiry_description(q, deadline, &d->all);
}

static void description_undo(struct qbi_unfinished *u)
{
	qbipc_description_free(qbi_container_of(u, struct qbipc_description, reading));
}

int qbipc_describe(const char *name, int timeout_ms, qbipc_description_t **ret_description)
{
	uint64_t deadline = qbi_deadline_from_ms(timeout_ms);
	qbipc_description_t *description;
	int r;

	if (!name)
		return qbi_misuse("the name is NULL");
	if (!ret_description)
		return qbi_misuse("ret_description is NULL");
	description = calloc(1, sizeof(*description));
	if (!description)
		return -ENOMEM;
	(void)qbi_unfinished_begin(&description->reading, description_undo);
	do
		r = description_page_read(description, name, deadline);
	while (r > 0);
	qbi_unfinished_end(&description->reading);
	if (r < 0) {
		qbipc_description_free(description);
		return r;
	}
	*ret_description = description;
	return 0;
}

int qbipc_description_info_get(const qbipc_description_t *description,
			       struct qbipc_description_info *info)
{
	const struct qbi_description_head *head;
	struct qbipc_description_info ours;

	if (!description)
		return -EINVAL;
	head = &description->all.head;
	ours = (struct qbipc_description_info){
		.pid = description->server.pid,
		.uid = description->server.uid,
		.gid = description->server.gid,
		.service_id = head->service_id,
		.handlers = head->handlers,
		.listed = description->all.count,
		.others = (head->flags & QBI_DESCRIPTION_OTHERS) != 0,
		.selector = (head->flags & QBI_DESCRIPTION_SELECTOR) != 0,
	};
	return qbi_sized_give(info, &ours, sizeof(ours));
}

int qbipc_description_handler_get(const qbipc_description_t *description, uint32_t index,
				  struct qbipc_description_handler *handler)
{
	struct qbipc_description_handler ours;
	const struct qbi_description_record *r;

	if (!description || !handler)
		return -EINVAL;
	if (index >= description->all.count)
		return -ENOENT;
	r = &description->all.records[index];
	ours = (struct qbipc_description_handler){
		.id = r->id,
		.flags = r->flags,
		.min_size = r->min_size,
		.name = r->name[0] ? r->name : NULL,
	};
	return qbi_sized_give(handler, &ours, sizeof(ours));
}

void qbipc_description_free(qbipc_description_t *description)
{
	if (!description)
		return;
	free(description->all.records);
	free(description);
}
