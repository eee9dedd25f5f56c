/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One end of a ring on libqb's wire: a header file and a data file, shared with one
 * peer. One process produces, the other consumes.
 *
 * Trust: the peer may write any byte of both files at any time, and truncate them. All
 * decisions use private values of this struct (base, size, own index). A shared word is
 * read once to a local variable, then checked and used from there. Payload is copied
 * before it is read. For invalid values the result is -EBADMSG, and the caller disconnects
 * the peer.
 *
 * Threads: one at a time per struct, except that one thread may be in put and another one
 * in take, wait or count. Any thread may access the words (user data, reference count).
 */
#ifndef QBI_RING_QBRING_H
#define QBI_RING_QBRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ring/mapping.h"
#include "ring/shm-dir.h"
#include "ring/shm-peer.h"

struct qbi_qbring {
	struct qbi_mapping map;
	struct qbi_qbring_header *head; /* shared; NULL: not open */
	uint32_t *data;			/* shared: word_size words */
	uint32_t word_size;
	uint32_t max_msg_size;		  /* bytes of one message at most */
	uint32_t write;			  /* producer's index; this copy counts */
	bool wrapped;			  /* it has passed the end of the ring once */
	uint32_t read;			  /* consumer's index; this copy counts */
	bool in_use;			  /* a message where it lies: its place is not freed */
	uint32_t in_use_at;		  /* where that one begins */
	uint32_t in_use_next;		  /* and the one behind it */
	char *prefix;			  /* name as in the response */
	struct qbi_shm_peer_file file[2]; /* client: header and data, verified */
};

#define QBI_QBRING_INIT                                                                        \
	{                                                                                      \
		QBI_MAPPING_INIT, .file = { QBI_SHM_PEER_FILE_INIT, QBI_SHM_PEER_FILE_INIT }   \
	}

enum qbi_qbring_flags {
	QBI_QBRING_USER_DATA = 1, /* the header has room for the user data word */
	QBI_QBRING_IN_PLACE = 2,  /* large messages are taken where they lie, if that can be */
};

/**
 * Server: make the files of one channel in @dir, which was not handed over yet, and map
 * them. No descriptor stays open; the files are removed with @dir.
 *
 * @param r             QBI_QBRING_INIT or closed; must not move while open
 * @param channel       "request", "response" or "event"
 * @param service       name of the service, no slash
 * @param max_msg_size  bytes of the largest message; the data file follows from it
 * @param flags         of enum qbi_qbring_flags
 * @param locking       how its memory is locked; may be NULL
 * @return              0 or -errno; after a failure @r is closed
 */
int qbi_qbring_create(struct qbi_qbring *r, struct qbi_shm_dir *dir, const char *channel,
		      const char *service, uint32_t max_msg_size, unsigned int flags,
		      const struct qbi_owner *owner, struct qbi_locking *locking);

/**
 * Client: verify and map the files that the server named.
 *
 * @param prefix  name from the response, NUL-terminated, anything
 * @return        0; -errno as qbi_shm_peer_open(); -EBADMSG the header contradicts
 *                @max_msg_size. After a failure @r is closed.
 */
int qbi_qbring_open(struct qbi_qbring *r, const char *prefix, uint32_t max_msg_size,
		    const struct qbi_peer_cred *server);

/*
 * Client as consumer, once it is open: accept every message that fits in the ring. A libqb
 * server may send responses above the agreed size.
 */
void qbi_qbring_take_larger(struct qbi_qbring *r);

/*
 * Server, in a child that continues in place of its parent: read the positions of the
 * parent again, because its threads may have moved them after the fork. 0; -EBADMSG they
 * are not in the ring. No other function of this end may run at the same time.
 */
int qbi_qbring_resume(struct qbi_qbring *r);

/*
 * Server, before close, if the data is not needed any more: release its memory, which is
 * accounted to us, even if the client keeps files or mappings. The header stays, because a
 * libqb client that has just hung up reads there what to unmap. 0 or QBI_AGAIN, as
 * qbi_mapping_punch().
 */
int qbi_qbring_punch(struct qbi_qbring *r);

/* The same for a ring that we produce, except for messages that the client, as it says, has
 * not taken yet. */
int qbi_qbring_punch_taken(struct qbi_qbring *r);

/* Unmap; the files stay. Idempotent. */
void qbi_qbring_close(struct qbi_qbring *r);

/* Client, before close: unlink the files if the server was killed. */
void qbi_qbring_remove_files(struct qbi_qbring *r);

/* Name for the response: path of the files without "-header". */
const char *qbi_qbring_prefix(const struct qbi_qbring *r);

/**
 * Producer: append one message, all of it or nothing. Never blocks.
 *
 * @param iov    entries may be empty
 * @param total  sum of their lengths
 * @return       0; QBI_FULL; -EMSGSIZE it can never fit; -EBADMSG
 */
int qbi_qbring_put(struct qbi_qbring *r, const struct iovec *iov, size_t n, size_t total);

/* Producer: would a message of @total bytes be taken now? 0, QBI_FULL, -EBADMSG. */
int qbi_qbring_room(struct qbi_qbring *r, size_t total);

/**
 * Consumer: copy the oldest message to @buf and free its place. Never blocks.
 *
 * @param ret_size  its length; with -ENOBUFS what @buf would have to have
 * @return          0; QBI_EMPTY; -ENOBUFS @size is too small, the message stays;
 *                  -EBADMSG
 */
int qbi_qbring_take(struct qbi_qbring *r, void *buf, size_t size, size_t *ret_size);

/*
 * Consumer: take the oldest message, of at least QBI_IN_PLACE_MIN bytes, without a copy. It is
 * in one piece, aligned to 8; the byte behind it is zero, until the producer appends a message.
 * Its place is freed by qbi_qbring_done(); other messages may be taken before. Both are called
 * by the thread that uses it. 0; QBI_EMPTY; QBI_AGAIN take it by a copy; -EBADMSG.
 */
int qbi_qbring_take_in_place(struct qbi_qbring *r, void **ret, size_t *ret_size);

/* @free: as done() of transport.h. 0; -EBADMSG the file was truncated meanwhile, and the
 * message was not all there. */
int qbi_qbring_done(struct qbi_qbring *r, bool free);

/**
 * Client as consumer: sleep until there is a message. A server never waits.
 *
 * Only the peer can end the sleep before @deadline. A peer that is dead, or that truncated
 * the file, does not: call with short deadlines and check the peer in between.
 *
 * @param deadline  as qbi_now_ns(); QBI_FOREVER; 0: do not sleep
 * @return          0 there is one; QBI_EMPTY the deadline passed; -EBADMSG
 */
int qbi_qbring_wait(struct qbi_qbring *r, uint64_t deadline);

/* Messages queued, if the peer counts correctly; never more than the ring can hold. */
uint32_t qbi_qbring_count(struct qbi_qbring *r);

/* User data word: flow control in the request ring. 0 after a fault. */
int32_t qbi_qbring_user_get(struct qbi_qbring *r);
void qbi_qbring_user_set(struct qbi_qbring *r, int32_t value);

/* Reference count word of the request ring: 1 by the server, 2 with a client. The peer may
 * read it as a sign of life; we free nothing by it. */
void qbi_qbring_refs_set(struct qbi_qbring *r, int32_t value);
void qbi_qbring_refs_add(struct qbi_qbring *r, int32_t delta);

#endif
