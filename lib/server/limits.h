/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Quotas of a service: how many handshakes and connections there are, in total and by
 * user, and how much memory they take.
 *
 * Idea: a client is counted from accept(2) to the end of its connection, by the user that
 * the kernel reported at connect: first as a handshake, then as a connection. A handshake
 * above the limit evicts the oldest one, so that new clients can still connect. A
 * connection above the limit is refused, so that established connections stay. This file
 * decides which client has to go; the caller ends it.
 *
 * Trust: every decision rests on the server's own counts and on credentials from the
 * kernel. The client contributes only the message size, which was checked before.
 * Threads: the dispatching thread; bodies are counted by those that send, too.
 */
#ifndef QBI_SERVER_LIMITS_H
#define QBI_SERVER_LIMITS_H

#include <qbipc/limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "server/refusals.h"

/* The account of one user. Exists while at least one of its clients is counted. */
struct qbi_account {
	struct qbi_list link; /* in its hash bucket */
	uid_t uid;
	uint32_t handshakes;
	uint32_t connections;
	/* Bytes that its connections may use, and those of bodies (qbi_limits_hold()). */
	_Atomic(uint64_t) memory;
};

/* There are few users. If there are many, a bucket holds about one 64th of them. */
#define QBI_ACCOUNT_BUCKETS 64

struct qbi_limits {
	struct qbipc_service_limits at; /* no field is 0 */
	struct qbi_list handshakes;	/* clients counted as such, oldest first */
	uint32_t n_handshakes;
	uint32_t n_connections;
	_Atomic(uint64_t) memory_most; /* at.memory_per_uid, for any thread */
	bool room_made;		       /* a handshake was already evicted for the next client */
	struct qbi_list accounts[QBI_ACCOUNT_BUCKETS];
};

/* How a client is counted. */
enum qbi_counted {
	QBI_COUNTED_NOT,
	QBI_COUNTED_HANDSHAKE,
	QBI_COUNTED_CONNECTION,
};

/* The entry of a client, embedded in it; only limits.c changes it. */
struct qbi_limits_entry {
	struct qbi_list link; /* in the list of handshakes, or alone */
	enum qbi_counted counted;
	struct qbi_account *account; /* of its user, while counted */
	uint64_t accepted_ns;	     /* when it began, monotonic clock */
	uint64_t memory;	     /* bytes that it is counted with, as a connection */
	_Atomic(uint64_t) held;	     /* besides: those of bodies on their way */
	bool cost_one; /* an eviction in return for its descriptor was considered */
};

/* Why a client is evicted or refused. */
struct qbi_limits_verdict {
	enum qbi_refusal why;
	int error; /* for the client, if it is refused; else 0 */
	const char *text;
};

void qbi_limits_init(struct qbi_limits *l);

/*
 * Memory per user by default, where the machine has @machine bytes and the control group may
 * have @group; UINT64_MAX: as many as it likes.
 */
uint64_t qbi_limits_memory(uint64_t machine, uint64_t group);

/* Fields that are 0 get their default. 0; -EINVAL: nothing changes. */
int qbi_limits_set(struct qbi_limits *l, const struct qbipc_service_limits *wanted);

void qbi_limits_entry_init(struct qbi_limits_entry *e);

/* Root and the server's own user: no limit per user holds for them. */
bool qbi_limits_is_exempt(uid_t uid);

/* Count a client of @uid as a handshake. 0; -ENOMEM: it is not counted. */
int qbi_limits_begin(struct qbi_limits *l, struct qbi_limits_entry *e, uid_t uid);

/*
 * @newest has just begun, with descriptor @fd. Which other handshake has to be evicted? The
 * caller ends it and calls again. NULL: none, or none any more.
 */
struct qbi_limits_entry *qbi_limits_excess(struct qbi_limits *l,
					   struct qbi_limits_entry *newest, int fd,
					   struct qbi_limits_verdict *ret);

/*
 * A handshake with descriptor @fd is complete, and @max_msg_size is agreed. 0: from now on
 * it counts as a connection; -EUSERS or -EDQUOT: it is refused, with the reason in *@ret.
 */
int qbi_limits_admit(struct qbi_limits *l, struct qbi_limits_entry *e, int fd,
		     uint32_t max_msg_size, struct qbi_limits_verdict *ret);

/*
 * Count @bytes of a body that is on its way from or to a connection, or do not count them any
 * more. 0; -EDQUOT: too many for its user. Any thread, while @e counts as a connection.
 */
int qbi_limits_hold(struct qbi_limits *l, struct qbi_limits_entry *e, uint64_t bytes);
void qbi_limits_let_go(struct qbi_limits_entry *e, uint64_t bytes);

/* Could they be counted now; and if nothing else of its user were? As qbi_limits_hold(). */
bool qbi_limits_can_hold(struct qbi_limits *l, const struct qbi_limits_entry *e,
			 uint64_t bytes);
bool qbi_limits_can_ever_hold(struct qbi_limits *l, const struct qbi_limits_entry *e,
			      uint64_t bytes);

/* The client has ended: do not count it any more. Idempotent. */
void qbi_limits_end(struct qbi_limits *l, struct qbi_limits_entry *e);

/*
 * Out of descriptors: which handshake of a user with limits has to be evicted? The caller
 * ends it. NULL: there is none.
 */
struct qbi_limits_entry *qbi_limits_make_room(struct qbi_limits *l,
					      struct qbi_limits_verdict *ret);

/* The oldest handshake, or NULL. */
struct qbi_limits_entry *qbi_limits_oldest(const struct qbi_limits *l);

/* The end of its time limit; QBI_FOREVER: there is no handshake or no limit. */
uint64_t qbi_limits_overdue_at(const struct qbi_limits *l);

#endif
