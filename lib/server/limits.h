/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Quotas of a service: how many handshakes and connections there are, in total and by
 * user, and how much memory they take.
 *
 * Idea: a client is counted from accept(2) to the end of its connection, by the user the
 * kernel says it was at connect: first as a handshake, then as a connection. A handshake
 * too many costs another one (the oldest), so that who comes next still gets in; a
 * connection too many is refused, so that who is in stays in.
 *
 * Trust: everything here is decided by counts of ours and credentials of the kernel. Of
 * what the client says only the size of messages counts, which is checked before.
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_LIMITS_H
#define QBI_SERVER_LIMITS_H

#include <qbipc/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"

struct qb_ipcs_service;
struct qb_ipcs_connection;

/* What one user has. Lives while any of its clients is counted. */
struct qbi_account {
	struct qbi_list link;		/* in its bucket */
	uid_t uid;
	uint32_t handshakes;
	uint32_t connections;
	uint64_t memory;		/* bytes that the connections may take */
};

/* Users are few, unless somebody makes many: then a chain is a 64th of them. */
#define QBI_ACCOUNT_BUCKETS 64

struct qbi_limits {
	struct qbipc_service_limits at;	/* no field is 0 */
	uint32_t handshakes;
	uint32_t connections;
	bool room_made;			/* one went already for the next that comes */
	struct qbi_list accounts[QBI_ACCOUNT_BUCKETS];
};

/* As what a client is counted; only limits.c changes it. */
enum qbi_counted {
	QBI_COUNTED_NOT,
	QBI_COUNTED_HANDSHAKE,
	QBI_COUNTED_CONNECTION,
};

void qbi_limits_init(struct qbi_limits *l);

/* Zeros in @wanted become defaults. 0; -EINVAL, and nothing changes. */
int qbi_limits_set(struct qbi_limits *l, const struct qbipc_service_limits *wanted);

/*
 * Count @c, which is the last in the service's list of handshakes, and close others that
 * are too many by that. 0; -ENOMEM, and it is not counted.
 */
int qbi_limits_begin(struct qb_ipcs_connection *c);

/* Its handshake is complete and the size agreed. 0: it is a connection; -EUSERS, -EDQUOT. */
int qbi_limits_admit(struct qb_ipcs_connection *c);

/* It takes nothing any more. Twice is once. */
void qbi_limits_end(struct qb_ipcs_connection *c);

/* Out of descriptors: close a handshake of somebody not exempt. False: there is none. */
bool qbi_limits_make_room(struct qb_ipcs_service *s);

#endif
