/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/group-memory.h"
#include "base/reclaim.h"
#include "base/util.h"
#include "wire/handshake.h"

/*
 * Defaults, derived from normal use: a handshake takes microseconds, because a client sends
 * its only message right after connect(2); a cluster has a few hundred clients of one
 * unprivileged user, with messages of 128 KiB to a few MiB; tools connect for a short time.
 */

/* A thousand clients may start at once and be preempted between connect and send. */
#define DEFAULT_HANDSHAKES 1024
/* Enough for a burst of one user, too few to evict all the others. */
#define DEFAULT_HANDSHAKES_PER_UID 256
/* Longer than a machine swaps or a step in a debugger takes. */
#define DEFAULT_HANDSHAKE_MS 30000
/* Several times the number in normal use; each takes up to three descriptors. */
#define DEFAULT_CONNECTIONS_PER_UID 2048
/* A few tools for each user, when descriptors are scarce. */
#define DEFAULT_CONNECTIONS_WHEN_SCARCE 16
/* Far above normal sizes (1 MiB), far below what would exhaust /dev/shm. */
#define DEFAULT_MESSAGE_SIZE (32u << 20)
/* About a millisecond of copying: many small requests or one large request. */
#define DEFAULT_DISPATCH_BYTES (4u << 20)
/* A correct client causes none; a thousand take a millisecond or two of the server. */
#define DEFAULT_JUNK_WAKEUPS 1000
/*
 * A client reads its answer as soon as it runs. The kernel slows down a server with two
 * thousand descriptors under way, of all services of its user; an answer has up to three.
 */
#define DEFAULT_UNREAD_ANSWERS 256
#define DEFAULT_UNREAD_ANSWERS_PER_UID 64
/*
 * Memory per user: this fraction of the machine's memory, which is half of the default size
 * of /dev/shm; but at least what a hundred connections with messages of 1 MiB need.
 */
#define DEFAULT_MEMORY_PART 4
#define DEFAULT_MEMORY_LEAST (384u << 20)
/*
 * Pages that a client writes are charged to whoever touches them first, which may be the
 * server. No one user is to have the kernel end it: at most this part of its control group's.
 */
#define GROUP_PART 2

/*
 * Descriptors are scarce when less than this fraction of RLIMIT_NOFILE is left. Unfinished
 * handshakes never hold more than this fraction either.
 */
#define SCARCE_PART 4

/* What a ring needs besides its largest message, on the wire that needs more. */
#define RING_SPARE (72u << 10)

uint64_t qbi_limits_memory(uint64_t machine, uint64_t group)
{
	uint64_t part = (group < machine ? group : machine) / DEFAULT_MEMORY_PART;
	uint64_t least = DEFAULT_MEMORY_LEAST;

	if (least > group / GROUP_PART)
		least = group / GROUP_PART;
	return part > least ? part : least;
}

static uint64_t memory_default(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long page = sysconf(_SC_PAGESIZE);
	uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;

	return qbi_limits_memory(machine,
				 qbi_group_memory("/sys/fs/cgroup", "/proc/self/cgroup"));
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
		.handshakes_per_uid =
			value_or(w->handshakes_per_uid, DEFAULT_HANDSHAKES_PER_UID),
		.handshake_ms = value_or(w->handshake_ms, DEFAULT_HANDSHAKE_MS),
		/* Descriptors limit the total; the fields below limit each user. */
		.connections = value_or(w->connections, QBIPC_NO_LIMIT),
		.connections_per_uid =
			value_or(w->connections_per_uid, DEFAULT_CONNECTIONS_PER_UID),
		.connections_when_scarce =
			value_or(w->connections_when_scarce, DEFAULT_CONNECTIONS_WHEN_SCARCE),
		.memory_per_uid = value_or(w->memory_per_uid, memory_default()),
		.message_size = value_or(w->message_size, DEFAULT_MESSAGE_SIZE),
		/* By the rate. */
		.dispatch_messages = value_or(w->dispatch_messages, QBIPC_NO_LIMIT),
		.dispatch_bytes = value_or(w->dispatch_bytes, DEFAULT_DISPATCH_BYTES),
		.junk_wakeups = value_or(w->junk_wakeups, DEFAULT_JUNK_WAKEUPS),
		.unread_answers = value_or(w->unread_answers, DEFAULT_UNREAD_ANSWERS),
		.unread_answers_per_uid =
			value_or(w->unread_answers_per_uid, DEFAULT_UNREAD_ANSWERS_PER_UID),
	};
	if (l->at.message_size > QBI_MAX_MSG_SIZE)
		l->at.message_size = QBI_MAX_MSG_SIZE;
	l->memory_most = l->at.memory_per_uid;
	return 0;
}

void qbi_limits_init(struct qbi_limits *l)
{
	static const struct qbipc_service_limits defaults;
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(l->accounts); i++)
		qbi_list_init(&l->accounts[i]);
	qbi_list_init(&l->handshakes);
	(void)qbi_limits_set(l, &defaults);
}

/* -- Accounts ----------------------------------------------------------------- */

/* The account of @uid; a new one if there is none. NULL without memory. */
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

bool qbi_limits_is_exempt(uid_t uid)
{
	return uid_is_exempt(uid, geteuid());
}

void qbi_limits_entry_init(struct qbi_limits_entry *e)
{
	*e = (struct qbi_limits_entry){ .counted = QBI_COUNTED_NOT };
	qbi_list_init(&e->link);
}

static void handshake_uncount(struct qbi_limits *l, struct qbi_limits_entry *e)
{
	qbi_list_unlink(&e->link);
	l->n_handshakes--;
	e->account->handshakes--;
	e->counted = QBI_COUNTED_NOT;
}

void qbi_limits_end(struct qbi_limits *l, struct qbi_limits_entry *e)
{
	switch (e->counted) {
	case QBI_COUNTED_NOT: return;
	case QBI_COUNTED_HANDSHAKE: handshake_uncount(l, e); break;
	case QBI_COUNTED_CONNECTION:
		l->n_connections--;
		e->account->connections--;
		e->account->memory -= e->memory + e->held;
		e->held = 0;
		e->counted = QBI_COUNTED_NOT;
		break;
	}
	account_put(QBI_TAKE(e->account));
}

/* -- Handshakes --------------------------------------------------------------- */

static const struct qbi_limits_verdict makes_room = {
	.why = QBI_REFUSED_DESCRIPTORS,
	.text = "an unfinished handshake makes room for others",
};

static struct qbi_limits_entry *limits_entry_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_limits_entry, link);
}

/* @fd: a descriptor that was made recently. */
static bool descriptors_are_scarce(int fd)
{
	uint64_t allowed = qbi_descriptors_allowed();

	return qbi_descriptors_in_use(fd) > allowed - allowed / SCARCE_PART;
}

static struct qbi_limits_entry *handshake_oldest(const struct qbi_limits *l,
						 const struct qbi_account *of)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, &l->handshakes)
		if (limits_entry_of(pos)->account == of)
			return limits_entry_of(pos);
	return NULL;
}

/*
 * Which handshake is evicted when there are too many: the oldest one of the user that has
 * most. A user without limits counts only with @exempt_too, and only if there is no other.
 */
static struct qbi_limits_entry *handshake_victim(const struct qbi_limits *l, bool exempt_too,
						 const struct qbi_limits_entry *keep)
{
	struct qbi_limits_entry *victim = NULL;
	uid_t self = geteuid();
	uint32_t most = 0;
	struct qbi_list *pos;

	qbi_list_for_each(pos, &l->handshakes) {
		struct qbi_limits_entry *e = limits_entry_of(pos);
		uint32_t has;

		if (e == keep)
			continue;
		has = uid_is_exempt(e->account->uid, self) ? 0 : e->account->handshakes;
		if (has ? has > most : exempt_too && !victim) {
			victim = e;
			most = has;
		}
	}
	return victim;
}

struct qbi_limits_entry *qbi_limits_make_room(struct qbi_limits *l,
					      struct qbi_limits_verdict *ret)
{
	struct qbi_limits_entry *victim = handshake_victim(l, false, NULL);

	if (victim) {
		l->room_made = true;
		*ret = makes_room;
	}
	return victim;
}

/* If the user of @newest has too many: its oldest handshake; otherwise NULL. */
static struct qbi_limits_entry *excess_of_user(const struct qbi_limits *l,
					       const struct qbi_limits_entry *newest)
{
	const struct qbi_account *a = newest->account;
	struct qbi_limits_entry *victim;

	if (uid_is_exempt(a->uid, geteuid()) || a->handshakes <= l->at.handshakes_per_uid)
		return NULL;
	victim = handshake_oldest(l, a);
	return victim == newest ? NULL : victim;
}

static struct qbi_limits_entry *excess_in_total(const struct qbi_limits *l,
						const struct qbi_limits_entry *newest)
{
	uint64_t most = qbi_descriptors_allowed() / SCARCE_PART;

	if (l->at.handshakes < most)
		most = l->at.handshakes;
	return l->n_handshakes > most ? handshake_victim(l, true, newest) : NULL;
}

/* One eviction in return for the descriptor of @newest, unless there was one already. */
static struct qbi_limits_entry *excess_when_scarce(struct qbi_limits *l,
						   struct qbi_limits_entry *newest, int fd)
{
	struct qbi_limits_entry *victim;

	if (newest->cost_one)
		return NULL;
	newest->cost_one = true;
	victim = l->room_made ? NULL : handshake_victim(l, false, newest);
	l->room_made = false;
	return victim && descriptors_are_scarce(fd) ? victim : NULL;
}

/* More than one may have to be evicted: the limits may have been lowered. */
struct qbi_limits_entry *qbi_limits_excess(struct qbi_limits *l,
					   struct qbi_limits_entry *newest, int fd,
					   struct qbi_limits_verdict *ret)
{
	struct qbi_limits_entry *victim = excess_of_user(l, newest);

	if (victim) {
		*ret = (struct qbi_limits_verdict){
			.why = QBI_REFUSED_HANDSHAKES_PER_UID,
			.text = "too many handshakes of this user",
		};
		return victim;
	}
	victim = excess_in_total(l, newest);
	if (victim) {
		*ret = (struct qbi_limits_verdict){
			.why = QBI_REFUSED_HANDSHAKES,
			.text = "too many handshakes",
		};
		return victim;
	}
	*ret = makes_room;
	return excess_when_scarce(l, newest, fd);
}

int qbi_limits_begin(struct qbi_limits *l, struct qbi_limits_entry *e, uid_t uid)
{
	e->account = account_get(l, uid);
	if (!e->account)
		return -ENOMEM;
	e->accepted_ns = qbi_now_ns();
	l->n_handshakes++;
	e->account->handshakes++;
	e->counted = QBI_COUNTED_HANDSHAKE;
	qbi_list_push_back(&l->handshakes, &e->link);
	return 0;
}

struct qbi_limits_entry *qbi_limits_oldest(const struct qbi_limits *l)
{
	struct qbi_list *first = qbi_list_first(&l->handshakes);

	return first ? limits_entry_of(first) : NULL;
}

uint64_t qbi_limits_overdue_at(const struct qbi_limits *l)
{
	const struct qbi_limits_entry *e = qbi_limits_oldest(l);
	uint64_t ms = l->at.handshake_ms;

	if (!e || ms > (QBI_FOREVER - e->accepted_ns) / QBI_NS_PER_MS)
		return QBI_FOREVER;
	return e->accepted_ns + ms * QBI_NS_PER_MS;
}

/* -- Connections -------------------------------------------------------------- */

/* Bytes that the rings of a connection may use; sockets use about as much in the kernel. */
static uint64_t connection_memory(uint32_t max_msg_size)
{
	return 3 * ((uint64_t)max_msg_size + RING_SPARE);
}

static int connection_refused(struct qbi_limits_verdict *ret, enum qbi_refusal why, int error,
			      const char *text)
{
	*ret = (struct qbi_limits_verdict){ why, error, text };
	return error;
}

int qbi_limits_admit(struct qbi_limits *l, struct qbi_limits_entry *e, int fd,
		     uint32_t max_msg_size, struct qbi_limits_verdict *ret)
{
	const struct qbipc_service_limits *at = &l->at;
	struct qbi_account *a = e->account;
	uint64_t memory = connection_memory(max_msg_size);
	bool exempt = uid_is_exempt(a->uid, geteuid());
	struct qbi_reclaim_pending pending = { 0, 0, 0 };

	if (!exempt)
		pending = qbi_reclaim_pending(a->uid);
	if (l->n_connections >= at->connections)
		return connection_refused(ret, QBI_REFUSED_CONNECTIONS, -EUSERS,
					  "too many connections");
	if (!exempt && (uint64_t)a->connections + pending.n >= at->connections_per_uid)
		return connection_refused(ret, QBI_REFUSED_CONNECTIONS_PER_UID, -EDQUOT,
					  "too many connections of this user");
	if (!exempt && a->connections >= at->connections_when_scarce &&
	    descriptors_are_scarce(fd))
		return connection_refused(ret, QBI_REFUSED_SCARCE, -EDQUOT,
					  "descriptors are kept for other users");
	if (!exempt && a->memory + pending.memory + memory > at->memory_per_uid)
		return connection_refused(ret, QBI_REFUSED_MEMORY, -EDQUOT,
					  "too much shared memory for this user");
	handshake_uncount(l, e);
	l->n_connections++;
	a->connections++;
	a->memory += memory;
	e->memory = memory;
	e->counted = QBI_COUNTED_CONNECTION;
	return 0;
}

static bool is_within(struct qbi_limits *l, const struct qbi_account *a, uint64_t memory)
{
	return memory <= l->memory_most || uid_is_exempt(a->uid, geteuid());
}

int qbi_limits_hold(struct qbi_limits *l, struct qbi_limits_entry *e, uint64_t bytes)
{
	struct qbi_account *a = e->account;
	uint64_t before = atomic_fetch_add(&a->memory, bytes);

	if (!is_within(l, a, before + bytes)) {
		atomic_fetch_sub(&a->memory, bytes);
		return -EDQUOT;
	}
	atomic_fetch_add(&e->held, bytes);
	return 0;
}

void qbi_limits_let_go(struct qbi_limits_entry *e, uint64_t bytes)
{
	/* With the end of the connection all is let go. */
	if (e->counted != QBI_COUNTED_CONNECTION)
		return;
	atomic_fetch_sub(&e->held, bytes);
	atomic_fetch_sub(&e->account->memory, bytes);
}

bool qbi_limits_can_hold(struct qbi_limits *l, const struct qbi_limits_entry *e, uint64_t bytes)
{
	return is_within(l, e->account, e->account->memory + bytes);
}

bool qbi_limits_can_ever_hold(struct qbi_limits *l, const struct qbi_limits_entry *e,
			      uint64_t bytes)
{
	return is_within(l, e->account, e->memory + bytes);
}
