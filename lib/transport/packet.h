/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One packet of transport/packets.h: what its header says, and how it is sent and received.
 */
#ifndef QBI_TRANSPORT_PACKET_H
#define QBI_TRANSPORT_PACKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/body.h"

struct qbi_packet_header {
	uint32_t size;	 /* of the message; may have QBI_PACKET_TIMED; or QBI_PACKET_CANCEL */
	uint32_t offset; /* of this piece in it */
};

/* In the first packet of a request: after the piece comes a deadline, 8 bytes. */
#define QBI_PACKET_TIMED 0x80000000u
/* The packet is the cancel of a request: 8 bytes with its number, and no piece. */
#define QBI_PACKET_CANCEL 0xffffffffu

/* The packet says the largest body that the client takes, in `offset`, and has no piece. */
#define QBI_PACKET_LIMIT 0xfffffffeu

#define QBI_PACKET_WORD sizeof(uint64_t)

/* Most pieces of memory that are sent without a copy; one entry is for the header. */
#define QBI_PACKET_IOVS 16

/* The kernel needs one contiguous piece of memory for most of a packet. */
#define QBI_PACKET_PIECE_MAX (1u << 20)
#define QBI_PACKET_PIECE_SCARCE (128u << 10)

struct qbi_packets {
	int fd;	     /* -1: not open; closed by qbi_packets_close() */
	bool passed; /* a peer made it, and shares it */
	bool ended;  /* shut down */
	uint32_t max_msg_size;
	size_t piece; /* bytes of a message in one packet, at most */

	struct qbi_rest out;	     /* of a message that was sent in part */
	struct qbi_body in;	     /* received part of a message in several pieces */
	_Atomic(uint32_t) body_most; /* largest body that the peer said it takes; 0: none */
	bool in_timed;		     /* it has a deadline */
	uint64_t in_deadline;
};

/*
 * One packet, with the deadline of the message if this is the first one and it has one. 0,
 * QBI_FULL, QBI_GONE, -errno. Lowers the size of a piece if that helps: QBI_FULL as well.
 */
int qbi_packet_send(struct qbi_packets *p, size_t msg_size, size_t offset,
		    const struct iovec *iov, size_t n, uint64_t *deadline);

/* Peek at the header of the next packet. 0, QBI_EMPTY, QBI_GONE, -EBADMSG. */
int qbi_packet_peek(struct qbi_packets *p, struct qbi_packet_header *ret);

/*
 * Receive one packet: check its header, and copy its piece to @to. 0; QBI_EMPTY; QBI_GONE;
 * -EBADMSG. With @ret_word also QBI_TIMED and QBI_CANCEL.
 */
int qbi_packet_receive(struct qbi_packets *p, void *to, size_t room,
		       struct qbi_packet_header *ret, size_t *ret_piece, uint64_t *ret_word);

#endif
