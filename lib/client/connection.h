/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client's connection to a service.
 *
 * Owner: the application, from connect to disconnect (or to a connect_continue that
 * failed).
 * Threads: sending, receiving responses and receiving events can go on at the same time. Any
 * number of threads may do each of the three: they take turns, and a thread that sleeps lets
 * others in (base/turn.h). Disconnect must run alone.
 * Trust: any process may have answered for the name. Its answer is checked
 * (wire/handshake.h), files that it names are verified (the transport), and a violation of
 * the protocol ends the connection.
 */
#ifndef QBI_CLIENT_CONNECTION_H
#define QBI_CLIENT_CONNECTION_H

#include <qb/qbipcc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/msg.h"
#include "base/unfinished.h"
#include "client/reach.h"
#include "transport/transport.h"
#include "wire/names.h"

/*
 * The part of a connection that a process and its children share, so that they can use it in
 * turn after fork(2). Other processes have no access to it.
 */
struct qbi_client_shared {
	struct qbi_turn turn[QBI_CLIENT_PARTS];
	uint64_t requests; /* sent, by all of them; with the turn of sending */
	/* The process that a place of the part is lent to (loans.h); with its turn; 0: none. */
	uint32_t holder[QBI_CLIENT_PARTS];
	_Atomic(uint32_t) half; /* the process that has a request half sent (transport.h) */
	uint32_t maker;		/* the process that connected */
};

struct qbi_calls;

/* A place of one part that is lent to the application; with its turn. */
struct qbi_client_loan {
	void *place;	  /* NULL: none is */
	size_t size;	  /* bytes of it */
	bool in_place;	  /* in memory of the transport, else the buffer */
	uint32_t process; /* to which it is lent */
	pid_t viewer;	  /* the thread that waits for the next message to be lent; 0: none */
	void *buffer;	  /* kept for the next one; NULL: none yet */
	size_t room;	  /* bytes of the buffer */
};

struct qb_ipcc_connection {
	int stream;			       /* -1: closed */
	char name[QBI_SERVICE_NAME_MAX + 1];   /* of the service, and */
	size_t wanted_size;		       /* bytes asked for, to ask again */
	struct qbi_why declined;	       /* what it said of the native wire */
	struct ucred server;		       /* credentials of the sender of the welcome */
	const struct qbi_transport *transport; /* NULL until the welcome came */
	void *end;			       /* its state */
	uint32_t max_msg_size;		       /* agreed; 0 until then */
	_Atomic(uint32_t) flow_max;	       /* flow-control values from 1 up to it stop us */
	_Atomic(bool) gone;		       /* the server is gone; stays true */
	void *context;
	struct qbi_client_shared *shared;
	struct qbi_client_loan loan[QBI_CLIENT_PARTS];
	_Atomic(struct qbi_calls *) calls; /* NULL: responses are not matched (calls.h) */

	/* While it is being made. */
	struct qbi_unfinished making;
	int cancel_state;	    /* of the caller */
	struct qbi_answer *answer;  /* NULL unless we wait for one */
	struct qbi_reached reached; /* where the server listens */
	int bell;		    /* until the transport has it; -1: none */
	int old_stream;		    /* of the first attempt, during the second; -1: none */
	int new_stream;		    /* of the second, before it takes the number; -1: none */
};

/* By a check of the socket. */
bool qbi_client_is_connected(qb_ipcc_connection_t *c);

/*
 * 0; QBI_FULL (also if the server asked us to stop); QBI_GONE; -errno. Waits for other
 * senders and for a slow server until @deadline; with QBI_FOREVER the transport decides how
 * long.
 */
int qbi_client_send(qb_ipcc_connection_t *c, const struct qbi_msg *msg, uint64_t deadline);

/*
 * For what sends and receives in several steps. Take the turn of a part, and bring the state
 * of the part up to date: 0, QBI_BUSY, QBI_GONE, -EBADMSG; of sending QBI_FULL while another
 * process has a request half sent, and QBI_GONE if it never sends the rest. While the turn is
 * held, a request is queued by qbi_client_put(): 0, QBI_FULL, QBI_GONE, -errno; with @deadline 0
 * without waiting or resting.
 *
 * As a call, by qbi_client_call_put(), with mark->expires set: on success, if the wire knows
 * of calls, *@ret_marked, and then qbi_client_call_cancel() may follow: 0; QBI_FULL try again
 * later; QBI_GONE; -errno.
 */
int qbi_client_part_take(qb_ipcc_connection_t *c, enum qbi_client_part part, uint64_t deadline);
void qbi_client_part_release(qb_ipcc_connection_t *c, enum qbi_client_part part);
int qbi_client_put(qb_ipcc_connection_t *c, const struct qbi_msg *msg, uint64_t deadline);
int qbi_client_call_put(qb_ipcc_connection_t *c, const struct qbi_msg *msg,
			struct qbi_call_mark *mark, bool *ret_marked);
int qbi_client_call_cancel(qb_ipcc_connection_t *c, const struct qbi_call_mark *mark);

/*
 * The same for receiving: -EBUSY also if a message is lent to another process, in place. What
 * this process has of a parent of it is forgotten.
 */
int qbi_client_part_begin(qb_ipcc_connection_t *c, enum qbi_client_part part,
			  uint64_t deadline);

/* With the turn of a part: is a place of it lent, to a process that lives? */
bool qbi_client_is_lent(qb_ipcc_connection_t *c, enum qbi_client_part part);

/* Does the server ask to stop? With the turn of sending. */
bool qbi_client_is_stopped(qb_ipcc_connection_t *c);

/*
 * Bodies beyond the agreed size (<qbipc/bodies.h>): the largest that the server takes, 0 none;
 * may a message of @size bytes be sent at all; say what this end takes: 0, QBI_FULL, QBI_GONE,
 * -errno; send what is left of one: 0, QBI_UNSENT, QBI_GONE, -errno.
 */
uint32_t qbi_client_body_most(qb_ipcc_connection_t *c);
bool qbi_client_can_send(qb_ipcc_connection_t *c, size_t size);
int qbi_client_body_limit_set(qb_ipcc_connection_t *c, uint32_t bytes);
int qbi_client_flush(qb_ipcc_connection_t *c);

/*
 * What a result means for the connection, after the turn was released. If the server broke
 * the protocol, or one of our threads left in the middle of a change, it ends as if the
 * server had gone, also for threads that sleep.
 */
int qbi_client_outcome(qb_ipcc_connection_t *c, int r);

/* The descriptor that is readable while there is an event; -EINVAL not connected yet. */
int qbi_client_event_fd(qb_ipcc_connection_t *c);

/* 0; QBI_EMPTY the deadline passed; QBI_GONE; -ENOBUFS; -errno. */
int qbi_client_recv(qb_ipcc_connection_t *c, void *buf, size_t size, uint64_t deadline,
		    size_t *ret_size);
int qbi_client_event_recv(qb_ipcc_connection_t *c, void *buf, size_t size, uint64_t deadline,
			  size_t *ret_size);

#endif
