/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

/*
 * Defaults, by what honest users do: a handshake takes microseconds, for a client sends
 * its one message right after connect(2); clusters have some hundred clients of one
 * unprivileged user, with messages of 128 KiB to a few MiB; tools come and go.
 */

/* A thousand clients may start at once, each preempted between connecting and sending. */
#define DEFAULT_HANDSHAKES 1024
/* A burst of one user's, while no one user can push out all the others. */
#define DEFAULT_HANDSHAKES_PER_UID 256
/* Longer than a machine swaps or a debugger's step takes. */
#define DEFAULT_HANDSHAKE_MS 30000
/* Several times what is in use; each costs the server up to three descriptors. */
#define DEFAULT_CONNECTIONS_PER_UID 2048
/* A few tools each, when every descriptor counts. */
#define DEFAULT_CONNECTIONS_WHEN_SCARCE 16
/* Far above what is in use (1 MiB), far below what would exhaust /dev/shm. */
#define DEFAULT_MESSAGE_SIZE (32u << 20)
/* About a millisecond of copying; many small requests or one large one. */
#define DEFAULT_DISPATCH_BYTES (4u << 20)
/* An honest client has none at all; a thousand cost the server a millisecond or two. */
#define DEFAULT_JUNK_WAKEUPS 1000
/*
 * Memory per user: this part of the machine's, half of what /dev/shm has by default, but
 * never less than a hundred connections with messages of 1 MiB need.
 */
#define DEFAULT_MEMORY_PART 4
#define DEFAULT_MEMORY_LEAST (384u << 20)

/*
 * What is left of the descriptors when they are scarce: this part of RLIMIT_NOFILE. Nor
 * do unfinished handshakes ever hold more than that.
 */
#define SCARCE_PART 4

/* A ring beyond its largest message, on the wire where that is more. */
#define RING_SPARE (72u << 10)

static uint64_t memory_default(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long page = sysconf(_SC_PAGESIZE);
	uint64_t part = 0;

	if (pages > 0 && page > 0)
		part = (uint64_t)pages * (uint64_t)page / DEFAULT_MEMORY_PART;
	return part > DEFAULT_MEMORY_LEAST ? part : DEFAULT_MEMORY_LEAST;
}

static uint64_t value_or(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

int qbi_limits_set(struct qbi_limits *l, const struct qbipc_service_limits *wanted)
{
	const struct qbipc_service_limits *w = wanted;

	if (w->message_size && w->message_size < QBI_MIN_MSG_SIZE)
		return -EINVAL;
	l->at = (struct qbipc_service_limits){
		.handshakes = value_or(w->handshakes, DEFAULT_HANDSHAKES),
		.handshakes_per_uid = value_or(w->handshakes_per_uid,
					       DEFAULT_HANDSHAKES_PER_UID),
		.handshake_ms = value_or(w->handshake_ms, DEFAULT_HANDSHAKE_MS),
		/* Descriptors are what limits the total; users are kept apart below. */
		.connections = value_or(w->connections, QBIPC_NO_LIMIT),
		.connections_per_uid = value_or(w->connections_per_uid,
						DEFAULT_CONNECTIONS_PER_UID),
		.connections_when_scarce = value_or(w->connections_when_scarce,
						    DEFAULT_CONNECTIONS_WHEN_SCARCE),
		.memory_per_uid = value_or(w->memory_per_uid, memory_default()),
		.message_size = value_or(w->message_size, DEFAULT_MESSAGE_SIZE),
		/* By the rate. */
		.dispatch_messages = value_or(w->dispatch_messages, QBIPC_NO_LIMIT),
		.dispatch_bytes = value_or(w->dispatch_bytes, DEFAULT_DISPATCH_BYTES),
		.junk_wakeups = value_or(w->junk_wakeups, DEFAULT_JUNK_WAKEUPS),
	};
	if (l->at.message_size > QBI_MAX_MSG_SIZE)
		l->at.message_size = QBI_MAX_MSG_SIZE;
	return 0;
}

void qbi_limits_init(struct qbi_limits *l)
{
	static const struct qbipc_service_limits defaults;
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(l->accounts); i++)
		qbi_list_init(&l->accounts[i]);
	(void)qbi_limits_set(l, &defaults);
}

/* -- Accounts ----------------------------------------------------------------- */

/* That of @uid, a new one if need be. NULL without memory. */
static struct qbi_account *account_get(struct qbi_limits *l, uid_t uid)
{
	struct qbi_list *bucket = &l->accounts[uid % QBI_ACCOUNT_BUCKETS];
	struct qbi_account *a;
	struct qbi_list *pos;

	qbi_list_for_each(pos, bucket) {
		a = qbi_list_entry(pos, struct qbi_account, link);
		if (a->uid == uid)
			return a;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->uid = uid;
	qbi_list_push_front(bucket, &a->link);
	return a;
}

static void account_put(struct qbi_account *a)
{
	if (a->handshakes || a->connections)
		return;
	qbi_list_unlink(&a->link);
	free(a);
}

static bool uid_is_exempt(uid_t uid, uid_t self)
{
	return uid == 0 || uid == self;
}

/* What the rings of a connection may take; sockets have about as much in the kernel. */
static uint64_t connection_memory(const qb_ipcs_connection_t *c)
{
	return 3 * ((uint64_t)c->max_msg_size + RING_SPARE);
}

static void handshake_uncount(qb_ipcs_connection_t *c)
{
	c->service->limits.handshakes--;
	c->account->handshakes--;
	c->counted = QBI_COUNTED_NOT;
	(void)qbi_deadlines_update(c->service);
}

void qbi_limits_end(qb_ipcs_connection_t *c)
{
	switch (c->counted) {
	case QBI_COUNTED_NOT:
		return;
	case QBI_COUNTED_HANDSHAKE:
		handshake_uncount(c);
		break;
	case QBI_COUNTED_CONNECTION:
		c->service->limits.connections--;
		c->account->connections--;
		c->account->memory -= connection_memory(c);
		c->counted = QBI_COUNTED_NOT;
		break;
	}
	account_put(QBI_TAKE(c->account));
}

/* -- Handshakes --------------------------------------------------------------- */

static bool descriptors_are_scarce(const qb_ipcs_connection_t *c)
{
	uint64_t allowed = qbi_descriptors_allowed();

	return qbi_descriptors_in_use(c->stream.fd) > allowed - allowed / SCARCE_PART;
}

static qb_ipcs_connection_t *handshake_oldest(qb_ipcs_service_t *s, struct qbi_account *of)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, &s->handshakes) {
		qb_ipcs_connection_t *c =
			qbi_list_entry(pos, struct qb_ipcs_connection, link);

		if (c->counted == QBI_COUNTED_HANDSHAKE && c->account == of)
			return c;
	}
	return NULL;
}

/*
 * Whose handshake goes when there are too many: the oldest of the user who has most, and
 * of those exempt from limits per user only if there is nobody else, if at all.
 */
static qb_ipcs_connection_t *handshake_victim(qb_ipcs_service_t *s, bool exempt_too,
					      const qb_ipcs_connection_t *keep)
{
	qb_ipcs_connection_t *victim = NULL;
	uid_t self = geteuid();
	uint32_t most = 0;
	struct qbi_list *pos;

	qbi_list_for_each(pos, &s->handshakes) {
		qb_ipcs_connection_t *c =
			qbi_list_entry(pos, struct qb_ipcs_connection, link);
		uint32_t has;

		if (c == keep || c->counted != QBI_COUNTED_HANDSHAKE)
			continue;
		has = uid_is_exempt(c->account->uid, self) ? 0 : c->account->handshakes;
		if (has ? has > most : exempt_too && !victim) {
			victim = c;
			most = has;
		}
	}
	return victim;
}

static void handshake_close(qb_ipcs_connection_t *c, enum qbi_refusal why, const char *text)
{
	qbi_refusals_note(&c->service->refusals, why, &c->peer, "%s", text);
	qbi_connection_abandon(c);
}

bool qbi_limits_make_room(qb_ipcs_service_t *s)
{
	qb_ipcs_connection_t *victim = handshake_victim(s, false, NULL);

	if (!victim)
		return false;
	handshake_close(victim, QBI_REFUSED_DESCRIPTORS,
			"an unfinished handshake makes room for others");
	s->limits.room_made = true;
	return true;
}

static void handshakes_trim(qb_ipcs_connection_t *c)
{
	qb_ipcs_service_t *s = c->service;
	struct qbi_limits *l = &s->limits;
	uint64_t most = qbi_descriptors_allowed() / SCARCE_PART;
	qb_ipcs_connection_t *victim;

	if (l->at.handshakes < most)
		most = l->at.handshakes;
	/* The limits may have been lowered: there can be more than one too many. */
	while (!uid_is_exempt(c->account->uid, geteuid()) &&
	       c->account->handshakes > l->at.handshakes_per_uid &&
	       (victim = handshake_oldest(s, c->account)) != c)
		handshake_close(victim, QBI_REFUSED_HANDSHAKES_PER_UID,
				"too many handshakes of this user");
	while (l->handshakes > most && (victim = handshake_victim(s, true, c)))
		handshake_close(victim, QBI_REFUSED_HANDSHAKES, "too many handshakes");
	victim = l->room_made ? NULL : handshake_victim(s, false, c);
	l->room_made = false;
	if (victim && descriptors_are_scarce(c))
		handshake_close(victim, QBI_REFUSED_DESCRIPTORS,
				"an unfinished handshake makes room for others");
}

int qbi_limits_begin(qb_ipcs_connection_t *c)
{
	struct qbi_limits *l = &c->service->limits;

	c->account = account_get(l, c->peer.uid);
	if (!c->account)
		return -ENOMEM;
	l->handshakes++;
	c->account->handshakes++;
	c->counted = QBI_COUNTED_HANDSHAKE;
	handshakes_trim(c);
	return 0;
}

/* -- Connections -------------------------------------------------------------- */

static int connection_refused(qb_ipcs_connection_t *c, enum qbi_refusal why, int error,
			      const char *text)
{
	qbi_refusals_note(&c->service->refusals, why, &c->peer, "%s", text);
	return error;
}

int qbi_limits_admit(qb_ipcs_connection_t *c)
{
	struct qbi_limits *l = &c->service->limits;
	const struct qbipc_service_limits *at = &l->at;
	struct qbi_account *a = c->account;
	uint64_t memory = connection_memory(c);
	bool exempt = uid_is_exempt(a->uid, geteuid());

	if (l->connections >= at->connections)
		return connection_refused(c, QBI_REFUSED_CONNECTIONS, -EUSERS,
					  "too many connections");
	if (!exempt && a->connections >= at->connections_per_uid)
		return connection_refused(c, QBI_REFUSED_CONNECTIONS_PER_UID, -EDQUOT,
					  "too many connections of this user");
	if (!exempt && a->connections >= at->connections_when_scarce &&
	    descriptors_are_scarce(c))
		return connection_refused(c, QBI_REFUSED_SCARCE, -EDQUOT,
					  "descriptors are kept for other users");
	if (!exempt && (memory > at->memory_per_uid ||
			a->memory > at->memory_per_uid - memory))
		return connection_refused(c, QBI_REFUSED_MEMORY, -EDQUOT,
					  "too much shared memory for this user");
	handshake_uncount(c);
	l->connections++;
	a->connections++;
	a->memory += memory;
	c->counted = QBI_COUNTED_CONNECTION;
	return 0;
}
