/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/unread.h"

#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/util.h"
#include "server/end.h"
#include "server/limits.h"
#include "wire/handshake.h"

/* Linux 4.12; the headers of the C library may be older. */
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/* The streams that are kept never hold more than this part of RLIMIT_NOFILE. */
#define DESCRIPTORS_PART 8

/* Between looks at the streams that are kept; doubled while all stay. */
#define PAUSE_FIRST (20 * QBI_NS_PER_MS)
#define PAUSE_LONGEST (5000 * QBI_NS_PER_MS)

static void unread_look(struct qbi_deadline *d);

static struct qbi_unread_answer *answer_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_unread_answer, link);
}

void qbi_unread_init(struct qbi_unread *u, struct qbi_deadlines *deadlines)
{
	*u = (struct qbi_unread){ .deadlines = deadlines };
	qbi_list_init(&u->answers);
	qbi_deadline_init(&u->look, unread_look);
}

void qbi_unread_answer_init(struct qbi_unread_answer *a)
{
	*a = (struct qbi_unread_answer){ .stream = -1 };
	qbi_list_init(&a->link);
}

/*
 * Does the other end leave as many bytes as an answer has? The kernel counts what belongs to
 * them too: an answer of which a part was read still counts whole, and twenty wake-ups count
 * like one. If the kernel does not tell, none is unread.
 */
static bool answer_is_unread(const struct qbi_unread_answer *a)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(memory);

	return getsockopt(a->stream, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0 &&
	       memory[SK_MEMINFO_WMEM_ALLOC] >= sizeof(struct qbi_welcome);
}

static void answer_remove(struct qbi_unread *u, struct qbi_unread_answer *a)
{
	qbi_list_unlink(&a->link);
	u->n--;
	if (a->kept) {
		qbi_end_stream(a->stream, a->uid, false);
		free(a);
	}
}

/* Remove those that were read. */
static void unread_update(struct qbi_unread *u, bool kept_only)
{
	struct qbi_list *pos, *next;

	qbi_list_for_each_safe(pos, next, &u->answers) {
		struct qbi_unread_answer *a = answer_of(pos);

		if ((a->kept || !kept_only) && !answer_is_unread(a))
			answer_remove(u, a);
	}
}

static bool unread_has_room(const struct qbi_unread *u, uid_t uid,
			    const struct qbipc_service_limits *at)
{
	uint64_t most = qbi_descriptors_allowed() / DESCRIPTORS_PART, of_user = 0;
	struct qbi_list *pos;

	if (u->n >= most || u->n >= at->unread_answers)
		return false;
	qbi_list_for_each(pos, &u->answers)
		of_user += answer_of(pos)->uid == uid;
	return of_user < at->unread_answers_per_uid;
}

bool qbi_unread_allows(struct qbi_unread *u, uid_t uid, const struct qbipc_service_limits *at)
{
	if (qbi_limits_is_exempt(uid) || unread_has_room(u, uid, at))
		return true;
	unread_update(u, false);
	return unread_has_room(u, uid, at);
}

void qbi_unread_add(struct qbi_unread *u, struct qbi_unread_answer *a, int stream, uid_t uid)
{
	if (qbi_limits_is_exempt(uid))
		return;
	a->stream = stream;
	a->uid = uid;
	qbi_list_push_back(&u->answers, &a->link);
	u->n++;
}

/* True: some are kept, and will be looked at. */
static bool unread_wait(struct qbi_unread *u, uint64_t pause)
{
	u->pause = pause < PAUSE_LONGEST ? pause : PAUSE_LONGEST;
	return qbi_deadlines_set(u->deadlines, &u->look, qbi_now_ns() + u->pause) >= 0;
}

bool qbi_unread_keep(struct qbi_unread *u, struct qbi_unread_answer *a)
{
	struct qbi_unread_answer *kept;

	if (qbi_list_is_empty(&a->link))
		return false;
	answer_remove(u, a);
	if (!answer_is_unread(a))
		return false;
	kept = malloc(sizeof(*kept));
	if (!kept)
		return false;
	*kept = (struct qbi_unread_answer){ .stream = a->stream, .uid = a->uid, .kept = true };
	qbi_list_push_back(&u->answers, &kept->link);
	u->n++;
	if (unread_wait(u, PAUSE_FIRST))
		return true;
	qbi_list_unlink(&kept->link);
	u->n--;
	free(kept);
	return false;
}

static void unread_look(struct qbi_deadline *d)
{
	struct qbi_unread *u = qbi_container_of(d, struct qbi_unread, look);
	uint32_t before = u->n;
	struct qbi_list *pos;

	unread_update(u, true);
	qbi_list_for_each(pos, &u->answers)
		if (answer_of(pos)->kept) {
			(void)unread_wait(u, u->n < before ? PAUSE_FIRST : 2 * u->pause);
			return;
		}
}

void qbi_unread_close(struct qbi_unread *u)
{
	struct qbi_list *pos, *next;

	qbi_list_for_each_safe(pos, next, &u->answers)
		if (answer_of(pos)->kept)
			answer_remove(u, answer_of(pos));
	(void)qbi_deadlines_set(u->deadlines, &u->look, QBI_FOREVER);
}
