/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers that brought descriptors and have not been read yet.
 *
 * Idea: until the client reads it, the descriptors of an answer are in flight, in the name of
 * the server's user. When some two thousand of one user are, the kernel has each further send
 * of descriptors of this user wait for its search for sockets that nobody can receive any more,
 * and a client decides how long that takes. So there may be a few unread answers only, per
 * user and in total; a client beyond that is offered libqb's wire, which passes nothing.
 *
 * Whether an answer was read is asked of the kernel: it says how many bytes of a stream the
 * other end has not taken. What a client sends does not tell, because MSG_PEEK shows an answer,
 * with its descriptors, and leaves it where it is.
 *
 * A stream whose connection ends before is shut down and kept open: once it is closed, nobody
 * can tell how long the answer stays. It is closed when the answer was read, or when the
 * client has closed its end.
 *
 * Trust: the count rests on the kernel alone.
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_UNREAD_H
#define QBI_SERVER_UNREAD_H

#include <qbipc/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "server/deadlines.h"

struct qbi_unread {
	struct qbi_list answers; /* those that may be unread, oldest first */
	uint32_t n;
	struct qbi_deadlines *deadlines;
	struct qbi_deadline look; /* at the streams that are kept */
	uint64_t pause;		  /* until then, ns */
};

/* The entry of a connection, embedded in it. */
struct qbi_unread_answer {
	struct qbi_list link; /* in the list above, or in none */
	int stream;
	uid_t uid;
	bool kept; /* the connection has ended: the stream is ours */
};

void qbi_unread_init(struct qbi_unread *u, struct qbi_deadlines *deadlines);
void qbi_unread_answer_init(struct qbi_unread_answer *a);

/* May @uid be sent another one, by the limits @at? Root and the server's own user always. */
bool qbi_unread_allows(struct qbi_unread *u, uid_t uid, const struct qbipc_service_limits *at);

/* An answer with descriptors was sent to @uid on @stream. */
void qbi_unread_add(struct qbi_unread *u, struct qbi_unread_answer *a, int stream, uid_t uid);

/*
 * The connection ends, its stream is shut down. True: the answer has not been read, so the
 * stream is kept, and closed later; false: the caller closes it. Idempotent.
 */
bool qbi_unread_keep(struct qbi_unread *u, struct qbi_unread_answer *a);

/* Close all streams that are kept. */
void qbi_unread_close(struct qbi_unread *u);

#endif
