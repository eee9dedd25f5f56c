/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client of a service, from accept(2) to the last reference.
 *
 *   HANDSHAKE --> ACCEPTING --> OPENING --> CREATED --> ESTABLISHED --> CLOSING --> CLOSED
 *        \____________\____________\___________\______________________________________^
 *
 *   HANDSHAKE    reading the client's first message; unknown to the application
 *   ACCEPTING    inside connection_accept
 *   OPENING      the transport is being set up and the welcome sent
 *   CREATED      inside connection_created: events may be sent
 *   ESTABLISHED  requests are served
 *   CLOSING      the transport is gone; connection_closed runs, maybe again
 *   CLOSED       waits for the last reference, then connection_destroyed
 *
 * Only connection.c writes the state. Everything shared with the client (socket, mappings,
 * files) is released when CLOSING or CLOSED is entered, even if there are references left.
 *
 * Threads: one thread dispatches. Any thread that holds a reference may send
 * responses and events: `send` covers the transport's sending side and its end.
 * No callback runs under a lock.
 */
#ifndef QBI_SERVER_CONNECTION_H
#define QBI_SERVER_CONNECTION_H

#include <qb/qbipcs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/mutex.h"
#include "base/owner.h"
#include "base/unfinished.h"
#include "server/bells.h"
#include "server/cost.h"
#include "server/counters.h"
#include "server/host.h"
#include "server/limits.h"
#include "server/retry.h"
#include "server/roster.h"
#include "server/unread.h"
#include "server/watch.h"
#include "transport/transport.h"
#include "wire/handshake.h"

enum qbi_connection_state {
	QBI_CONNECTION_HANDSHAKE,
	QBI_CONNECTION_ACCEPTING,
	QBI_CONNECTION_OPENING,
	QBI_CONNECTION_CREATED,
	QBI_CONNECTION_ESTABLISHED,
	QBI_CONNECTION_CLOSING,
	QBI_CONNECTION_CLOSED,
};

/* What one channel still has to send; under `send`. */
struct qbi_unsent {
	bool begun;    /* a part of an accepted message is still to be sent */
	bool refused;  /* the application waits for a report that there is room */
	size_t size;   /* room for so many bytes: the smallest message refused */
	uint64_t held; /* bytes of bodies that may be there, counted in the limits */
};

/*
 * A place where the application builds a message of one channel; under `send`. Each holds a
 * reference to the connection, and one in memory of the end keeps that open. It is of the
 * process of that generation; to a child it does not exist.
 */
struct qbi_loan {
	void *place;   /* NULL: none */
	size_t size;   /* bytes of it */
	bool in_place; /* in memory of the end, else private */
	bool refused;  /* its commit found no room, and is to be told of it */
	uint32_t generation;
};

struct qb_ipcs_connection {
	_Atomic(uint32_t) refs;
	_Atomic(enum qbi_connection_state) state;
	struct qbi_host *host;		 /* its service; holds a reference */
	qb_ipcs_dispatch_fn_t dispatch;	 /* called by the loop */
	struct qbi_roster_entry listed;	 /* in the list of connections, from OPENING on */
	struct qbi_limits_entry quota;	 /* how it is counted in the limits */
	struct qbi_retry_entry retry;	 /* when to try again to send the rest */
	bool holds_retry;		 /* counts as a user of the host's epoll */
	struct qbi_unread_answer unread; /* its answer, while it may be unread */
	struct qbi_bell bell;		 /* while it waits for one */
	bool held;			 /* and has requests, which wait for it too */
	void *context;
	struct qbi_unfinished dispatch_unfinished;

	uint64_t number;	  /* clients of the service count from 1; 0: not one yet */
	struct ucred peer;	  /* SO_PEERCRED, fixed at the client's connect */
	struct qbi_owner owner;	  /* of what the client opens */
	struct qbi_watch stream;  /* owns the accepted socket */
	struct qbi_watch request; /* the transport's own descriptor, if it has one */
	struct qbi_hello hello;	  /* the part that has arrived */
	size_t hello_size;	  /* bytes of it */
	struct qbi_why why;	  /* not the native wire; all zero: it may have it */
	uint32_t max_msg_size;	  /* agreed */
	void *buffer;		  /* with its last request; NULL: none, or in use */
	_Atomic(void *) lent;	  /* buffer that is in use; NULL: none is */
	size_t buffer_used;	  /* bytes of it that requests have used so far */
	size_t request_at;	  /* offset of the next request in it; 0: none came yet */

	const struct qbi_transport *transport; /* NULL before OPENING */
	void *end;			       /* its state; NULL when closed */
	bool in_use;		/* a request is, in memory of @end that the client shares */
	void *ended;		/* an end that is closed when that is over; under `send` */
	enum qbi_parting part;	/* how */
	struct qbi_mutex send;	/* guards end against close while sending */
	_Atomic(uint32_t) flow; /* flow-control value last published */
	bool stream_moved;	/* another object has it: closing is not the end */
	bool announced;		/* connection_accept ran, so connection_destroyed will */
	bool disconnect_asked;	/* inside connection_created */
	_Atomic(bool) broken;	/* a sender found it unusable: drop it, do not drain */
	bool hung_up;		/* the client is gone; drain and close */
	bool sendable;		/* under `send`: from CREATED on, to the end */
	_Atomic(uint32_t)
		generation; /* of the process whose positions @end has; written under `send` */
	struct qbi_unsent unsent[QBI_CHANNELS]; /* under `send` */
	struct qbi_loan loan[QBI_CHANNELS];	/* likewise */
	_Atomic(bool) waiting;			/* for any of them; written under `send` */
	bool misbehaved;			/* it is disconnected for what it sent */
	uint64_t drain_left;			/* bytes still served after the hang-up */
	uint32_t drain_requests;		/* requests, likewise */
	uint64_t junk;				/* wake-ups without a request, less requests */
	struct qbi_cost send_cost;		/* under `send`, but suspicions */
	struct qbi_cost take_cost;		/* the dispatching thread's */
	_Atomic(bool) costly;			/* it is disconnected for that */
	uint64_t body_held;			/* bytes of a body that have come so far */
	_Atomic(void *) body;			/* a whole one that is in use; NULL: none is */
	uint64_t taken;				/* requests; their numbers are below it */
	uint64_t deadline;			/* of the request in process; 0: none */
	bool numbers_unsure; /* another process may have taken requests of ours */
	struct qbi_counters count;
};

/*
 * A request in place is handed to the application: until the done, the memory stays, also if
 * the connection ends meanwhile. 0; -EBADMSG it was not all there. Idempotent.
 */
void qbi_connection_request_use(qb_ipcs_connection_t *c);
int qbi_connection_request_done(qb_ipcs_connection_t *c);

/* Under `send`: the place of @channel that is lent, or NULL. */
struct qbi_loan *qbi_connection_loan(qb_ipcs_connection_t *c, enum qbi_channel channel);

/*
 * A place is not used any more, and @send is taken, which this releases: drop its reference,
 * and close the end if it waited for that. Any thread.
 */
void qbi_connection_loan_end(qb_ipcs_connection_t *c, struct qbi_loan *loan);

/*
 * Make a connection for an accepted socket, in state HANDSHAKE; on success it owns @fd. The
 * loop calls @dispatch with the connection as data. 0 or -errno.
 */
int qbi_connection_new(struct qbi_host *h, int fd, qb_ipcs_dispatch_fn_t dispatch,
		       qb_ipcs_connection_t **ret_c);

qb_ipcs_connection_t *qbi_connection_ref(qb_ipcs_connection_t *c);
/* Dropping the last one runs connection_destroyed, if connection_accept has run. */
void qbi_connection_unref(qb_ipcs_connection_t *c);
static inline void qbi_connection_unrefp(qb_ipcs_connection_t **c)
{
	if (*c)
		qbi_connection_unref(*c);
}

/*
 * A reference for as long as callbacks of the connection run, which may end the thread:
 * then it is dropped, and the buffer of the request is freed. For _cleanup_.
 */
struct qbi_connection_hold {
	qb_ipcs_connection_t *c;
	bool outermost; /* no other one holds it further out on the stack */
};
struct qbi_connection_hold qbi_connection_hold(qb_ipcs_connection_t *c);
void qbi_connection_let_go(struct qbi_connection_hold *hold);

/* Is the connection established from the application's point of view? */
bool qbi_connection_is_connected(const qb_ipcs_connection_t *c);

/* Does the application know the connection? From connection_created on it does. */
bool qbi_connection_is_known(const qb_ipcs_connection_t *c);

/*
 * Tell monitors what passes: @kind is one of enum qbipc_monitor_kind, @msg the message or
 * NULL. Any thread.
 */
void qbi_connection_show(qb_ipcs_connection_t *c, uint32_t kind, const struct qbi_msg *msg);

static inline void qbi_connection_note(qb_ipcs_connection_t *c, uint32_t kind,
				       const struct qbi_msg *msg)
{
	if (qbi_monitors_look(&c->host->monitors))
		qbi_connection_show(c, kind, msg);
}

/* In HANDSHAKE: another descriptor of the stream, which does not end with @c. Or -errno. */
int qbi_connection_stream_move(qb_ipcs_connection_t *c);

/* Change the state. A CLOSED connection is in no list of its service. */
void qbi_connection_enter(qb_ipcs_connection_t *c, enum qbi_connection_state state);

/*
 * End the connection: inside connection_accept the call is ignored, inside
 * connection_created it takes effect afterwards, otherwise at once. Idempotent.
 */
void qbi_connection_disconnect(qb_ipcs_connection_t *c);

/*
 * What is known before anything is tried: why the client whose first message is complete
 * does not get the native wire; all zero: it may. *@ret_unread: because answers were not read.
 */
struct qbi_why qbi_connection_why_not(const qb_ipcs_connection_t *c, bool *ret_unread);

/* End it before ESTABLISHED, without connection_closed. */
void qbi_connection_abandon(qb_ipcs_connection_t *c);

/* Take the stream away from it, also out of the loop; the caller owns the descriptor. */
int qbi_connection_stream_take(qb_ipcs_connection_t *c);

/* In OPENING: close the transport with all its resources; another one may follow. */
void qbi_connection_retract(qb_ipcs_connection_t *c);

/* Stop or resume taking requests, by the flow-control value of the service. */
void qbi_connection_flow_update(qb_ipcs_connection_t *c);

/* Tell the loop which events the descriptors wait for. 0 or -errno. */
int qbi_connection_watch_update(qb_ipcs_connection_t *c);

/* The next connected one after @current (NULL: the first), referenced; or NULL. */
qb_ipcs_connection_t *qbi_connection_next(struct qbi_host *h, qb_ipcs_connection_t *current);

/* The same, with those that are closing, until connection_closed has returned 0. */
qb_ipcs_connection_t *qbi_connection_next_known(struct qbi_host *h,
						qb_ipcs_connection_t *current);

#endif
