/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract between the core (server and client) and the transports.
 *
 * A transport is a table of operations on an opaque state, which the core allocates, one per
 * connection and side. The core finds transports only through the registry (registry.h) and
 * never by name.
 *
 * Threads: the core serialises the operations on one state as follows, and a transport may
 * rely on no more than that.
 *
 *   server   established, request_fd, begin,
 *            take, noted, done, settle, flow_set the dispatching thread
 *            respondv, eventv, flush, room, body_most,
 *            reserve, commit, abandon,
 *            wait_fd, events_queued              one thread at a time
 *            join                                the dispatching thread, and no other
 *                                                in the two rows above meanwhile
 *            open, resume, close,
 *            leave, withdraw                     nothing else at the same time
 *   client   sendv, call_sendv, cancel, flow,
 *            body_limit_set,
 *            reserve, commit, abandon            the thread that has this turn
 *            recv, view                          the thread that has another turn
 *            event_recv, event_fd, view          the thread that has a third turn
 *            view_done                           the thread that has the turn of the part
 *            response_waits                      the thread that has the turn of recv
 *            response_fd, body_most, flush       any thread, also while others are in these
 *            resume                              the thread that has the turn of the part
 *            open, join, close                   nothing else at the same time
 *
 * So on a server, one thread may be in take while another one is in respondv or eventv. On
 * a client, one thread each may be in sendv, recv and event_recv, besides any number of
 * threads that rest there (base/turn.h). These operations rest whenever they sleep; after
 * that, other threads may have sent or received.
 *
 * Trust: on both sides the peer may be hostile. An operation that reads invalid data of the
 * peer returns -EBADMSG; the core then ends the connection.
 *
 * Results: 0, a positive outcome of base/util.h where listed, or -errno. After any failure
 * the core still calls close(), so an operation must leave the state closable.
 */
#ifndef QBI_TRANSPORT_TRANSPORT_H
#define QBI_TRANSPORT_TRANSPORT_H

#include <qb/qbipc_common.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/busy-poll.h"
#include "base/memory.h"
#include "base/msg.h"
#include "base/owner.h"
#include "base/turn.h"
#include "wire/handshake.h"

/* Most descriptors that can be passed with the welcome. */
#define QBI_REPLY_FDS_MAX 3

/* What the connections of one service share. Dispatching thread only. */
struct qbi_server_shared {
	struct qbi_busy_poll busy_poll; /* one budget for all */
	const void *busy;		/* the state that got the last request; only compared */
	uint64_t busy_since;		/* since when all requests were for it */
};

/* Only one connection is busy if no other one was served for this time, in ns. */
#define QBI_ALONE_NS 100000

/*
 * @st was just served: is it the only busy connection? Then a dispatch may busy-poll. If no
 * connection was busy before, the answer is yes at once.
 */
static inline bool qbi_server_is_alone(struct qbi_server_shared *shared, const void *st,
				       uint64_t now)
{
	if (shared->busy != st) {
		shared->busy_since = shared->busy ? now : now - QBI_ALONE_NS;
		shared->busy = st;
	}
	return now - shared->busy_since >= QBI_ALONE_NS;
}

/* @st ends: what is at its address afterwards is another one. */
static inline void qbi_server_forget(struct qbi_server_shared *shared, const void *st)
{
	if (shared->busy == st)
		shared->busy = NULL;
}

/* Parameters of a server's end, valid as long as the state. */
struct qbi_server_spec {
	int stream;			  /* connected stream socket, not blocking */
	const char *service;		  /* name of the service */
	struct ucred peer;		  /* the client, as of its connect */
	struct qbi_owner owner;		  /* of files the client is to open */
	uint32_t max_msg_size;		  /* bytes agreed */
	bool in_place;			  /* take() may leave large requests where they lie */
	uint32_t body_limit;		  /* largest body taken and sent, bytes; 0: none */
	struct qbi_server_shared *shared; /* of the service */
	struct qbi_locking *locking;	  /* how its memory is locked; may be NULL */
};

/* What is sent to the client: the welcome and descriptors. */
struct qbi_reply {
	struct qbi_welcome *welcome; /* open() fills the three names */
	int fds[QBI_REPLY_FDS_MAX];  /* the core sends and closes them */
	unsigned int n_fds;
};

/* The channels on which a server sends. */
enum qbi_channel {
	QBI_RESPONSES,
	QBI_EVENTS,
	QBI_CHANNELS,
};

/* How an end is closed. */
enum qbi_parting {
	QBI_PART_AT_ONCE, /* release all memory that the client shares */
	/* The application ended the connection: messages that were sent before can still
	 * be read by the client. */
	QBI_PART_KEEPING,
	/* As the first, but leave the pages to the last one that has them mapped. */
	QBI_PART_UNPUNCHED,
	/* In a child of the process that owns it: free memory and close descriptors, but
	 * do not touch shared objects. */
	QBI_PART_COPY,
	/* Client: the server died, so remove what it left for this connection. */
	QBI_PART_CLEANING,
};

struct qbi_server_ops {
	size_t state_size; /* the core allocates this much, zeroed */
	bool settles_each; /* settle() receives a wake-up for each request that was taken */

	/*
	 * A service of this name starts, and no other process has the name: remove files
	 * that a killed server of this name left. Optional.
	 */
	void (*sweep)(const char *service);

	/* Make this end and describe it in @reply. Called once. */
	int (*open)(void *st, const struct qbi_server_spec *spec, struct qbi_reply *reply);

	/*
	 * @fd, which it owns from here on, is the stream that the client has joined to the
	 * connection. NULL: connections have one stream; else the answer has a number for
	 * the client to join with, and no request is taken before. 0; QBI_UNSENT call
	 * flush() for responses.
	 */
	int (*join)(void *st, int fd);

	/*
	 * The client has got its answer, and many clients send a request at once: decide
	 * whether to stay awake for a while. Optional.
	 */
	void (*established)(void *st);

	/* The descriptor that is readable if there is a request; -1: the stream. */
	int (*request_fd)(const void *st);

	/* A dispatch begins; @readable: the loop reported the request descriptor. */
	void (*begin)(void *st, bool readable);

	/*
	 * Copy the oldest request to @buf, which has @size >= max_msg_size bytes; or leave
	 * it in memory that the client can write, in one piece with a zero behind it, and
	 * set *@ret_in_place, which is NULL before. 0, QBI_EMPTY, QBI_GONE, -EBADMSG. Where
	 * noted() is not NULL, also QBI_TIMED: the request has a deadline; and QBI_CANCEL: no
	 * request, but the cancel of one that was taken. Then noted() is the deadline, any
	 * number, or the number of that request. Where body_most() is not NULL, also
	 * QBI_PARTIAL: *@ret_size bytes of a body beyond max_msg_size; and QBI_BODY: a whole one
	 * at *@ret_in_place, with a zero behind it, which the caller frees, and noted() is what
	 * has come of it just now. -ENOMEM: no memory for it.
	 */
	int (*take)(void *st, void *buf, size_t size, void **ret_in_place, size_t *ret_size);
	uint64_t (*noted)(const void *st);

	/*
	 * The request that take() left in place is not used any more. Until then take()
	 * leaves no other one there, and neither leave() nor close() is called. 0; -EBADMSG
	 * it was not all there. Optional.
	 *
	 * @free  its place may be used again; false: in a child that does not continue, which
	 *        leaves that to the parent. In a child that does, resume() comes first
	 */
	int (*done)(void *st, bool free);

	/*
	 * @taken requests were taken since the last settle, and there are no more, or the
	 * dispatch ends: account for their wake-ups, and decide whether to stay awake for
	 * a while. 0; QBI_MORE there is another request (take again); QBI_EMPTY it was a
	 * wake-up without a request; QBI_GONE the client hung up; -errno.
	 */
	int (*settle)(void *st, unsigned int taken);

	/*
	 * Queue a response or an event, all or nothing; never blocks. 0; QBI_FULL;
	 * QBI_GONE; -errno; QBI_UNSENT it is accepted, but flush() must be called to send
	 * the rest.
	 */
	int (*respondv)(void *st, const struct qbi_msg *msg);
	int (*eventv)(void *st, const struct qbi_msg *msg);

	/*
	 * The largest body that the client takes now, within the limit of the service: so much
	 * may respondv and eventv be given. What finds no room there is copied, and flush()
	 * sends it. NULL: the wire has none.
	 */
	uint32_t (*body_most)(void *st);

	/*
	 * Memory for a message of at most @size bytes, at most max_msg_size, where the client
	 * will read it, in one piece and aligned to 8. It is queued by the commit of @size
	 * bytes, as by respondv, but never QBI_FULL; @reserved is what reserve() got, and
	 * *@ret is where the message lies then. Until that, or the abandon, nothing else is
	 * queued on the channel. 0; QBI_AGAIN there is room, but it must be copied there;
	 * QBI_FULL; QBI_GONE; -errno. Optional, all three; the other two also where the first
	 * is never 0.
	 */
	int (*reserve)(void *st, enum qbi_channel channel, size_t size, void **ret);
	int (*commit)(void *st, enum qbi_channel channel, size_t reserved, size_t size,
		      void **ret);
	void (*abandon)(void *st, enum qbi_channel channel);

	/*
	 * Send the rest of accepted messages. 0 nothing is left; QBI_UNSENT a part was
	 * sent; QBI_FULL nothing was sent; QBI_GONE; -errno.
	 */
	int (*flush)(void *st, enum qbi_channel channel);

	/*
	 * Would a message of @size bytes, at most max_msg_size, be accepted now? 0,
	 * QBI_FULL, QBI_GONE, -errno.
	 */
	int (*room)(void *st, enum qbi_channel channel, size_t size);

	/*
	 * After flush or room returned QBI_FULL: the descriptor that reports POLLOUT when
	 * the caller should try again; -1: there is none, try after an interval. Always the
	 * same descriptor for a channel, open until close().
	 */
	int (*wait_fd)(void *st, enum qbi_channel channel);

	/* Publish the flow-control value: 0 send; 1 stop; 2 stop, for clients with limit 2. */
	void (*flow_set)(void *st, uint32_t value);

	/* Number of events that the client has not taken yet, as far as is known. */
	uint32_t (*events_queued)(void *st);

	/*
	 * In a child that continues in place of its parent: read from shared memory how far
	 * the parent has got, whose threads may have continued after the fork. 0; -EBADMSG
	 * the values are invalid, or the parent was in the middle of a message. Optional.
	 */
	int (*resume)(void *st);

	/* Release everything. Idempotent; the state may never have been opened. */
	void (*close)(void *st, enum qbi_parting how);

	/*
	 * The same in three parts, the last of which is close() with QBI_PART_COPY. A client
	 * can hold up the second and, if it does, also the third, and a thread that waits in
	 * the third holds up each thread of the process that maps memory.
	 *
	 * leave     what the client cannot hold up. After it the service may be gone, and no
	 *           other operation than the other two parts is used. Optional.
	 * withdraw  take from the client what it could keep: pages, and names of files; and
	 *           close the sockets into which it sends. 0; QBI_AGAIN the client holds it
	 *           up: repeat it before the third part. Optional: there is nothing that the
	 *           client can hold up.
	 */
	void (*leave)(void *st, enum qbi_parting how);
	int (*withdraw)(void *st, enum qbi_parting how);
};

/* The parts of a client's end that threads and processes use in turn. */
enum qbi_client_part {
	QBI_PART_SEND,
	QBI_PART_RECV,
	QBI_PART_EVENT,
	QBI_CLIENT_PARTS,
};

/* The turns of sending, receiving responses, receiving events; NULL: a single thread. */
struct qbi_client_turns {
	struct qbi_turn *send;
	struct qbi_turn *recv;
	struct qbi_turn *event;
	/* Requests sent by all processes of the connection; with the turn of sending. NULL:
	 * they are not counted. */
	uint64_t *requests;
	/* The process that has sent a part of a request, whose rest comes next; 0: none;
	 * QBI_HALF_LOST. Only that process puts requests. NULL: it is the only one. */
	_Atomic(uint32_t) *half;
};

/* Nobody will send the rest. */
#define QBI_HALF_LOST UINT32_MAX

static inline bool qbi_half_is_ours(const struct qbi_client_turns *turns)
{
	return turns->half && atomic_load(turns->half) == qbi_process_id();
}

/* This process has sent a part, or all of it. */
static inline void qbi_half_note(const struct qbi_client_turns *turns, bool half)
{
	if (turns->half && half)
		atomic_store(turns->half, qbi_process_id());
	else if (qbi_half_is_ours(turns))
		atomic_store(turns->half, 0);
}

/* It will not send the rest. */
static inline void qbi_half_give_up(const struct qbi_client_turns *turns)
{
	if (qbi_half_is_ours(turns))
		atomic_store(turns->half, QBI_HALF_LOST);
}

/* Count a request: its number, from 0. */
static inline uint64_t qbi_request_count(const struct qbi_client_turns *turns)
{
	return turns->requests ? (*turns->requests)++ : 0;
}

/* A request that is sent as a call. */
struct qbi_call_mark {
	uint64_t expires; /* nobody waits any more, in ns of CLOCK_MONOTONIC; QBI_FOREVER */
	uint64_t number;  /* of the request; the transport sets it, and the next */
	uint64_t place;	  /* where it waits */
};

/* Parameters of a client's end. */
struct qbi_client_spec {
	struct qbi_client_turns turns;	   /* valid as long as the state */
	int stream;			   /* valid as long as the state */
	struct ucred server;		   /* from the kernel */
	const struct qbi_welcome *welcome; /* checked; valid during open() only */
	int *fds;			   /* open() takes some of them and sets these to -1 */
	unsigned int n_fds;
};

struct qbi_client_ops {
	size_t state_size;

	int (*open)(void *st, const struct qbi_client_spec *spec);

	/*
	 * @fd, which it owns from here on, is the stream that was joined to the connection
	 * after open(). NULL: connections have one stream.
	 */
	void (*join)(void *st, int fd);

	/*
	 * Descriptor that is readable iff an event waits or the server is gone; -errno. It may
	 * be made when it is asked for first, and is the same until close().
	 */
	int (*event_fd)(void *st);

	/* The flow-control value that the server published. */
	uint32_t (*flow)(void *st);

	/*
	 * Queue a request and wake the server. May wait for a short time until a slow
	 * server has made room, and at most until @deadline. 0, QBI_FULL, QBI_GONE, -errno.
	 */
	int (*sendv)(void *st, const struct qbi_msg *msg, uint64_t deadline);

	/*
	 * As sendv with deadline 0, of a call: mark->expires is passed on. And tell the server
	 * that nobody waits for its response any more: 0, QBI_FULL, QBI_GONE, -errno. Neither
	 * waits nor rests. NULL: the wire has nothing for it.
	 */
	int (*call_sendv)(void *st, const struct qbi_msg *msg, struct qbi_call_mark *mark);
	int (*cancel)(void *st, const struct qbi_call_mark *mark);

	/*
	 * The largest body that the server takes: so much may sendv be given. It waits while the
	 * server takes what was sent; what is left after that is kept, and flush() sends it, as
	 * do all operations that send or wait. flush: 0; QBI_UNSENT; QBI_GONE; -errno; any thread.
	 * And say what this end takes, at most, from now on: 0, QBI_FULL, QBI_GONE, -errno; by
	 * the thread that has the turn of sending. Optional, all three: the wire has no bodies.
	 */
	uint32_t (*body_most)(void *st);
	int (*flush)(void *st);
	int (*body_limit_set)(void *st, uint32_t bytes);

	/*
	 * As those of a server, for a request; the first may wait as sendv does. Optional,
	 * likewise.
	 */
	int (*reserve)(void *st, size_t size, uint64_t deadline, void **ret);
	int (*commit)(void *st, size_t reserved, size_t size, uint64_t deadline);
	void (*abandon)(void *st);

	/*
	 * Copy the oldest response (event) to @buf; wait for it until @deadline
	 * (base/clock.h). 0; QBI_EMPTY; QBI_GONE, when there is nothing left to read;
	 * -ENOBUFS @size is too small, the message stays.
	 */
	int (*recv)(void *st, void *buf, size_t size, uint64_t deadline, size_t *ret_size);
	int (*event_recv)(void *st, void *buf, size_t size, uint64_t deadline,
			  size_t *ret_size);

	/*
	 * As recv (event_recv), but the message stays where it lies, in one piece and aligned
	 * to 4 at least, until view_done(). Until then there is no other one; recv goes on. Or
	 * QBI_AGAIN: it waits, and recv with *@ret_size bytes gets it. Optional, both.
	 */
	int (*view)(void *st, enum qbi_client_part part, uint64_t deadline, const void **ret,
		    size_t *ret_size);
	void (*view_done)(void *st, enum qbi_client_part part);

	/*
	 * The descriptor to watch after recv() with deadline 0 found nothing, and in
	 * *@ret_events what for; -1: there is none, try again after an interval. The hang-up
	 * of the stream is watched besides it. Any thread.
	 */
	int (*response_fd)(void *st, short *ret_events);

	/* Is there a response already? A cheap check. The caller has the turn of recv. */
	bool (*response_waits)(void *st);

	/*
	 * Another process that shares this connection has used this part: bring the private
	 * state up to date from shared memory. The caller has the turn of the part. 0,
	 * -EBADMSG.
	 */
	int (*resume)(void *st, enum qbi_client_part part);

	/* Release everything. Idempotent. */
	void (*close)(void *st, enum qbi_parting how);
};

struct qbi_transport {
	const char *name;
	enum qb_ipc_type type; /* as in the welcome: socket or shm */
	uint32_t version;      /* of the native wire; 0: libqb's wire */
	const struct qbi_server_ops *server;
	const struct qbi_client_ops *client;
};

#endif
