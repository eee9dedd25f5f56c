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
 * connection.c alone writes the state. Everything shared with the client (socket,
 * mappings, files) goes when CLOSING or CLOSED is entered, whoever still holds a
 * reference.
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

#include "base/counter.h"
#include "base/mutex.h"
#include "base/owner.h"
#include "server/host.h"
#include "server/limits.h"
#include "server/retry.h"
#include "server/roster.h"
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

/* A descriptor of ours and what the application's loop was asked about it. */
struct qbi_watch {
	int fd;		/* -1: none */
	int32_t events; /* 0: not in the loop */
	enum qb_loop_priority priority;
};

#define QBI_WATCH_INIT                                                                         \
	{                                                                                      \
		.fd = -1                                                                       \
	}

/* Each is written by the dispatching thread or by the holder of `send`. */
struct qbi_counters {
	qbi_counter requests;
	qbi_counter responses;
	qbi_counter events;
	qbi_counter send_retries;	/* sends that found no room */
	qbi_counter recv_retries;	/* wake-ups without a request */
	qbi_counter flow_control_count; /* changes of the flow */
};

/* Of one channel of a connection; under `send`. */
struct qbi_unsent {
	bool begun;   /* part of an accepted message waits to go out */
	bool refused; /* the application wants to know when there is room */
	size_t size;  /* for a message of so many bytes, the smallest refused */
};

struct qb_ipcs_connection {
	_Atomic(uint32_t) refs;
	_Atomic(enum qbi_connection_state) state;
	struct qbi_host *host;		/* its service; holds a reference */
	qb_ipcs_dispatch_fn_t dispatch; /* what the loop calls for it */
	struct qbi_roster_entry listed; /* among the connections, once it is one */
	struct qbi_limits_entry quota;	/* as what it is counted */
	struct qbi_retry_entry retry;	/* when it goes on with what waits to be sent */
	bool holds_retry;		/* the host's epoll */
	void *context;

	uint64_t number;	  /* clients of the service count from 1 */
	struct ucred peer;	  /* SO_PEERCRED, fixed at the client's connect */
	struct qbi_owner owner;	  /* of what the client opens */
	struct qbi_watch stream;  /* owns the accepted socket */
	struct qbi_watch request; /* the transport's own descriptor, if it has one */
	struct qbi_hello hello;	  /* the part that has arrived */
	size_t hello_size;	  /* bytes of it */
	bool no_native;		  /* it gets libqb's wire whatever it speaks */
	uint32_t max_msg_size;	  /* agreed */
	void *buffer;		  /* its last request; NULL: none, or in use */
	size_t buffer_used;	  /* bytes of it that requests have reached */
	size_t request_at;	  /* where in it the next one goes; 0: none came yet */

	const struct qbi_transport *transport; /* NULL before OPENING */
	void *end;			       /* its state; NULL when closed */
	struct qbi_mutex send;		       /* guards end against close while sending */
	_Atomic(uint32_t) flow;		       /* flow-control value last published */
	bool announced;		      /* connection_accept ran: connection_destroyed will */
	bool disconnect_asked;	      /* inside connection_created */
	_Atomic(bool) broken;	      /* a sender found it unusable: drop it, drain nothing */
	bool hung_up;		      /* the client is gone; drain and close */
	bool sendable;		      /* under `send`: from CREATED on, to the end */
	_Atomic(uint32_t) generation; /* whose positions end has; written under `send` */
	struct qbi_unsent unsent[QBI_CHANNELS]; /* under `send` */
	_Atomic(bool) waiting;			/* on any of them; written under `send` */
	bool misbehaved;			/* it is dropped for what it sent */
	uint64_t drain_left;			/* bytes still served after the hang-up */
	uint64_t junk;				/* wake-ups without a request, less requests */
	struct qbi_counters count;
};

/* For requests of up to @max_msg_size bytes, and the zero behind each. */
size_t qbi_connection_request_room(uint32_t max_msg_size);

/*
 * Where in a buffer the next request is to be put, and where it is then found: short ones
 * have a place of their own. Neither a short one nor the zero behind it touches the last
 * longer one, if that has less than 4 KiB: corosync's iterators look back at the request
 * that made them all the while.
 */
char *qbi_connection_request_place(const qb_ipcs_connection_t *c, void *buffer);
char *qbi_connection_request_settle(qb_ipcs_connection_t *c, void *buffer, size_t size);

/*
 * Private memory for one request of the agreed size, NULL without memory. Given back,
 * a request stays in it, at its place, until the next one of this client, as it does in
 * libqb: applications look back at what a callback was given. Of large ones only the
 * last of a service stays, so that clients cannot have it keep one each.
 */
void *qbi_connection_buffer_take(qb_ipcs_connection_t *c);
void qbi_connection_buffer_give(qb_ipcs_connection_t *c, void *buffer);

/*
 * A connection for an accepted socket, in HANDSHAKE; takes @fd on success. The loop is to
 * call @dispatch for it, with the connection as data. 0 or -errno.
 */
int qbi_connection_new(struct qbi_host *h, int fd, qb_ipcs_dispatch_fn_t dispatch,
		       qb_ipcs_connection_t **ret_c);

qb_ipcs_connection_t *qbi_connection_ref(qb_ipcs_connection_t *c);
/* The last one runs connection_destroyed, if connection_accept ever ran. */
void qbi_connection_unref(qb_ipcs_connection_t *c);
static inline void qbi_connection_unrefp(qb_ipcs_connection_t **c)
{
	if (*c)
		qbi_connection_unref(*c);
}

/* Is the connection established from the application's point of view? */
bool qbi_connection_is_connected(const qb_ipcs_connection_t *c);

/* Does the application know it, from connection_created on? */
bool qbi_connection_is_known(const qb_ipcs_connection_t *c);

/* The only writer of the state. One that is CLOSED is in no list of its service. */
void qbi_connection_enter(qb_ipcs_connection_t *c, enum qbi_connection_state state);

/*
 * End it as its state demands: ignored inside connection_accept, put off inside
 * connection_created, at once otherwise. Idempotent.
 */
void qbi_connection_disconnect(qb_ipcs_connection_t *c);

/* Give up before ESTABLISHED: no connection_closed. */
void qbi_connection_abandon(qb_ipcs_connection_t *c);

/* In OPENING: the transport goes, with all that came with it; another one may follow. */
void qbi_connection_retract(qb_ipcs_connection_t *c);

/* Stop or resume taking requests, as the service's flow-control value says. */
void qbi_connection_flow_update(qb_ipcs_connection_t *c);

/* Bring the loop up to date with what is wanted of the descriptors. 0 or -errno. */
int qbi_connection_watch_update(qb_ipcs_connection_t *c);

/* The next connected one after @current (NULL: the first), with a reference; or NULL. */
qb_ipcs_connection_t *qbi_connection_next(struct qbi_host *h, qb_ipcs_connection_t *current);

/* The same of those too that are going, until connection_closed has said that it is done. */
qb_ipcs_connection_t *qbi_connection_next_known(struct qbi_host *h,
						qb_ipcs_connection_t *current);

#endif
