/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages over one SOCK_SEQPACKET socket; a large message is sent in pieces.
 *
 * A packet is an 8-byte header and a piece of a message. The header has the size of the
 * message and the offset of the piece in it. The pieces of a message follow each other
 * without a gap. The first packet of a request may end with its deadline, and a packet may be
 * the cancel of a request that was sent before, or say which bodies the client takes: `size`
 * says so, by values that are no sizes.
 *
 * Trust: the peer can send anything. A header is checked against the agreed maximum and
 * against the part that has arrived so far. No descriptors are
 * received, because no control buffer is offered.
 *
 * Threads: one sender and one receiver per struct.
 */
#ifndef QBI_TRANSPORT_PACKETS_H
#define QBI_TRANSPORT_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"
#include "transport/packet.h"

#define QBI_PACKETS_INIT                                                                       \
	{                                                                                      \
		.fd = -1                                                                       \
	}

/* Take over @fd, one end of a pair, which takes no descriptors. 0 or -errno. */
int qbi_packets_open(struct qbi_packets *p, int fd, uint32_t max_msg_size);

/*
 * Likewise one that a peer passed. The peer has it too: it decides whether descriptors come,
 * and an option that is set would wait for it. So there is room for those that come, which
 * are nonsense, and nothing is set. Threads may receive and send at the same time.
 */
void qbi_packets_open_passed(struct qbi_packets *p, int fd, uint32_t max_msg_size);

/* Raise both buffers of @fd to a whole message, within the limits of the system. */
void qbi_packets_make_room(int fd, uint32_t max_msg_size);

/*
 * Send a message without blocking. 0; QBI_UNSENT a part was sent, qbi_packets_flush() sends
 * the rest; QBI_FULL; QBI_GONE; -errno.
 */
int qbi_packets_sendv(struct qbi_packets *p, const struct qbi_msg *msg);

/*
 * Send a body from *@done on, as far as there is room, and keep the rest of it: the flush sends
 * it. 0; QBI_FULL; QBI_GONE; -errno. And 0; -ENOMEM.
 */
int qbi_packets_send_pieces(struct qbi_packets *p, const struct qbi_msg *msg, size_t *done);
int qbi_packets_keep(struct qbi_packets *p, const struct qbi_msg *msg, size_t done);

/* Take bodies of up to @bytes, 0 none. And tell a server so. As qbi_packets_send_cancel(). */
void qbi_packets_take_bodies(struct qbi_packets *p, uint32_t bytes);
int qbi_packets_send_limit(struct qbi_packets *p, uint32_t bytes);

/* The same for a request with a deadline, and for the cancel of a request by its number. */
int qbi_packets_send_timed(struct qbi_packets *p, const struct qbi_msg *msg, uint64_t deadline);
int qbi_packets_send_cancel(struct qbi_packets *p, uint64_t number);

/* Send the rest of a message. 0, QBI_UNSENT, QBI_GONE, -errno. */
int qbi_packets_flush(struct qbi_packets *p);

/*
 * Copy the oldest message out. 0; QBI_EMPTY; QBI_GONE; -ENOBUFS @size is too small, the
 * message stays; -EBADMSG; QBI_PARTIAL a part of a body was taken; -ENOMEM.
 */
int qbi_packets_take(struct qbi_packets *p, void *buf, size_t size, size_t *ret_size);

/*
 * The same where requests come, with @size for the largest; or QBI_TIMED, and the deadline in
 * *@ret_word; or QBI_CANCEL, no message, and the number of the request in *@ret_word; or
 * QBI_PARTIAL, with the bytes taken in *@ret_size; or QBI_BODY, a whole one in *@ret_body, which
 * the caller frees, and in *@ret_word the bytes that were taken just now.
 */
int qbi_packets_take_request(struct qbi_packets *p, void *buf, size_t size, void **ret_body,
			     size_t *ret_size, uint64_t *ret_word);

/* Idempotent. */
void qbi_packets_end(struct qbi_packets *p);
void qbi_packets_close(struct qbi_packets *p);

#endif
