/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract between the core and what carries the messages.
 *
 * A transport is a table of operations on an opaque state that the core allocates,
 * one per connection and side. The core knows transports only through the
 * registry (registry.h) and never by name.
 *
 * Threads: the core serialises the operations on one state as follows, and a
 * transport may rely on no more than that.
 *
 *   server   established, request_fd, begin,
 *            take, settle, flow_set              the dispatching thread
 *            respondv, eventv, flush, room,
 *            wait_fd, events_queued              one thread at a time
 *            open, resume, close                 nothing else at the same time
 *   client   sendv, flow                         the thread whose turn it is
 *            recv                                the same of another turn
 *            event_recv, event_fd                and of a third
 *            resume                              the same, of its part
 *            open, close                         nothing else at the same time
 *
 * So one thread each may be in take and in one of respondv and eventv, or in sendv, recv
 * and event_recv; but of the last three, any number that rest (base/turn.h). Those rest
 * whenever they sleep, and have then to expect that others sent or received meanwhile.
 *
 * Trust: the peer is hostile on both sides. An operation that finds nonsense in
 * what the peer wrote returns -EBADMSG; the core then drops the connection.
 *
 * Results: 0, a positive outcome of base/util.h where listed, or -errno. After any
 * failure the core still calls close(): leave the state closable.
 */
#ifndef QBI_TRANSPORT_TRANSPORT_H
#define QBI_TRANSPORT_TRANSPORT_H

#include <qb/qbipc_common.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/busy-poll.h"
#include "base/msg.h"
#include "base/owner.h"
#include "base/turn.h"
#include "wire/handshake.h"

/* Descriptors that may travel with the welcome. */
#define QBI_REPLY_FDS_MAX 3

/* What the connections of one service share. Dispatching thread only. */
struct qbi_server_shared {
	struct qbi_busy_poll busy_poll; /* one budget for all */
	const void *busy;		/* whose request came last; only compared */
	uint64_t busy_since;		/* and since when they were all its */
};

/* A service is one connection's alone when no other was served for so long, in ns. */
#define QBI_ALONE_NS 100000

/*
 * @st was just served: is it the only busy one? Then it may busy poll inside a dispatch. When
 * nobody was busy before, it need not prove itself first.
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

/* What a server's end is made from. Borrowed for the life of the state. */
struct qbi_server_spec {
	int stream;			  /* connected stream socket, not blocking */
	const char *service;		  /* name of the service */
	struct ucred peer;		  /* the client, as of its connect */
	struct qbi_owner owner;		  /* of files the client is to open */
	uint32_t max_msg_size;		  /* bytes agreed */
	struct qbi_server_shared *shared; /* of the service */
};

/* What goes to the client with the welcome besides its fixed fields. */
struct qbi_reply {
	struct qbi_welcome *welcome; /* open() fills the three names */
	int fds[QBI_REPLY_FDS_MAX];  /* the core sends and closes them */
	unsigned int n_fds;
};

/* What a server sends. */
enum qbi_channel {
	QBI_RESPONSES,
	QBI_EVENTS,
	QBI_CHANNELS,
};

/* How an end is closed. */
enum qbi_parting {
	QBI_PART_AT_ONCE, /* the client keeps no memory */
	/* The application ended the connection, and what it has sent before is still for
	 * the client to read. */
	QBI_PART_KEEPING,
	/* In a child of the process that has it: memory goes and descriptors are closed,
	 * but nothing that is shared is touched. */
	QBI_PART_COPY,
	/* Of a client: the server died, and what it left behind for this connection goes. */
	QBI_PART_CLEANING,
};

struct qbi_server_ops {
	size_t state_size; /* the core allocates this much, zeroed */

	/*
	 * A service of this name starts, and no other one has the name: remove what one
	 * that was killed left in the file system. Optional.
	 */
	void (*sweep)(const char *service);

	/* Make this end and describe it in @reply. May be called once. */
	int (*open)(void *st, const struct qbi_server_spec *spec, struct qbi_reply *reply);

	/*
	 * The client has been told, and many call at once: stay awake for a while or not.
	 * Optional.
	 */
	void (*established)(void *st);

	/* Descriptor that is readable when a request waits; -1: the stream. */
	int (*request_fd)(const void *st);

	/* A dispatch begins; @readable: the loop found the request descriptor so. */
	void (*begin)(void *st, bool readable);

	/*
	 * Copy the oldest request to @buf, which has @size >= max_msg_size bytes.
	 * 0, QBI_EMPTY, QBI_GONE, -EBADMSG.
	 */
	int (*take)(void *st, void *buf, size_t size, size_t *ret_size);

	/*
	 * @taken requests were taken since the last settle, and nothing is left or the
	 * dispatch ends: account for their wake-ups, and stay awake for a while or not.
	 * 0, QBI_MORE when a request turned out to be waiting after all (take again),
	 * QBI_EMPTY when what woke us stood for no request, QBI_GONE when the client hung
	 * up, -errno.
	 */
	int (*settle)(void *st, unsigned int taken);

	/*
	 * Queue a response or an event. All or nothing; never blocks. 0, QBI_FULL,
	 * QBI_GONE, -errno. QBI_UNSENT: accepted, but not all of it could go out at once, so
	 * flush() is to be called.
	 */
	int (*respondv)(void *st, const struct qbi_msg *msg);
	int (*eventv)(void *st, const struct qbi_msg *msg);

	/*
	 * Pass on what could not go out at once of messages that were accepted. 0 nothing
	 * is left, QBI_UNSENT some of it went out, QBI_FULL nothing did, QBI_GONE, -errno.
	 */
	int (*flush)(void *st, enum qbi_channel channel);

	/*
	 * Would a message of @size bytes, which is not beyond max_msg_size, be accepted now?
	 * 0, QBI_FULL, QBI_GONE, -errno.
	 */
	int (*room)(void *st, enum qbi_channel channel, size_t size);

	/*
	 * Flush or room said that nothing can be done now: the descriptor that takes bytes
	 * (POLLOUT) when it is worth while to ask again; -1: after a moment. At most one and
	 * the same descriptor for a channel, open until close().
	 */
	int (*wait_fd)(void *st, enum qbi_channel channel);

	/* Publish the flow-control value: 0 go, 1 stop, 2 stop (optional clients). */
	void (*flow_set)(void *st, uint32_t value);

	/* Number of events that the client has not taken yet, as known to the transport. */
	uint32_t (*events_queued)(void *st);

	/*
	 * In a child of the process that had this end, instead of which it goes on: take
	 * from what is shared how far that one has got, threads of which may have gone on
	 * after the fork. 0; -EBADMSG when that makes no sense, or is in the middle of a
	 * message. Optional.
	 */
	int (*resume)(void *st);

	/* Give everything back. May run twice, and on a state that never opened. */
	void (*close)(void *st, enum qbi_parting how);
};

/* What of a client's end a thread or a process uses. */
enum qbi_client_part {
	QBI_PART_SEND,
	QBI_PART_RECV,
	QBI_PART_EVENT,
	QBI_CLIENT_PARTS,
};

/* Turns of threads that send, receive responses, receive events; NULL: a single thread. */
struct qbi_client_turns {
	struct qbi_turn *send;
	struct qbi_turn *recv;
	struct qbi_turn *event;
};

/* What a client's end is made from. */
struct qbi_client_spec {
	struct qbi_client_turns turns;	   /* borrowed for the life of the state */
	int stream;			   /* borrowed for the life of the state */
	struct ucred server;		   /* as the kernel told it */
	const struct qbi_welcome *welcome; /* checked; valid during open() only */
	int *fds;			   /* open() takes those it wants (-1 then) */
	unsigned int n_fds;
};

struct qbi_client_ops {
	size_t state_size;

	int (*open)(void *st, const struct qbi_client_spec *spec);

	/*
	 * Descriptor that is readable iff an event waits or the server is gone; -errno. It may
	 * be made when it is asked for first, and is the same until close().
	 */
	int (*event_fd)(void *st);

	/* The flow-control value that the server published. */
	uint32_t (*flow)(void *st);

	/*
	 * Queue a request and wake the server. May wait a little for a server that is
	 * slow to make room, until @deadline at most. 0, QBI_FULL, QBI_GONE, -errno.
	 */
	int (*sendv)(void *st, const struct qbi_msg *msg, uint64_t deadline);

	/*
	 * Copy the oldest response (event) to @buf, waiting for it until @deadline
	 * (base/clock.h). 0, QBI_EMPTY, QBI_GONE once nothing is left to read,
	 * -ENOBUFS when @size is too small: the message stays.
	 */
	int (*recv)(void *st, void *buf, size_t size, uint64_t deadline, size_t *ret_size);
	int (*event_recv)(void *st, void *buf, size_t size, uint64_t deadline,
			  size_t *ret_size);

	/*
	 * Another process that has this connection, too, has used this part of it: bring
	 * the private state up to date with what is shared. 0, -EBADMSG. The part's turn is
	 * the caller's.
	 */
	int (*resume)(void *st, enum qbi_client_part part);

	/* Give everything back. May run twice. */
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
