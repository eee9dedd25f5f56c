/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two messages of the handshake, as they lie on the stream: native byte
 * order and alignment of 64-bit Linux, so that encoding is filling a struct and
 * decoding is copying bytes into one and checking it. Pure; no I/O.
 *
 * Bytes that libqb leaves zero and ignores carry what our own ends tell each
 * other: a mark that says who speaks, the versions and the abilities of the
 * native wire. A peer without the mark is served on libqb's wire.
 */
#ifndef QBI_WIRE_HANDSHAKE_H
#define QBI_WIRE_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#define QBI_AUTHENTICATE (-1)	  /* id of both messages */
#define QBI_WIRE_MARK 0x31434951u /* "QIC1": the sender is this library */
#define QBI_WIRE_NAME_SIZE 4096	  /* bytes of a name, terminator included */

/*
 * Abilities that a client may ask for instead of a connection: the server answers from
 * the library and closes the stream. An answer without the bit is that of a server
 * which does not know it, and has made a connection.
 */
#define QBI_ABILITY_PROBE 0x1u /* what would a connection be? */
#define QBI_ABILITY_WATCH 0x2u /* the counters, for those who may: snapshot.h */

/* Of a client with the mark and no version: it was offered the native wire, and could not
 * use it. */
#define QBI_NATIVE_DECLINED 0x100u

/* The buffer size agreed is never below the size of the server's answer. */
#define QBI_MIN_MSG_SIZE 12328u
/*
 * Nor above this: sizes travel as int32 in the API, and the data of a ring,
 * mapped twice, has to be addressable by 32-bit word indexes.
 */
#define QBI_MAX_MSG_SIZE (1u << 30)

/* Client to server. */
struct qbi_hello {
	int32_t id;	       /* QBI_AUTHENTICATE */
	uint32_t mark;	       /* QBI_WIRE_MARK or 0 */
	int32_t size;	       /* of this message */
	uint32_t version;      /* highest native version spoken, 0 none */
	uint32_t max_msg_size; /* bytes asked for */
	uint32_t abilities;    /* QBI_ABILITY_ bits, asked for */
};

/* Server to client. */
struct qbi_welcome {
	int32_t id;	       /* QBI_AUTHENTICATE */
	uint32_t mark;	       /* QBI_WIRE_MARK or 0 */
	int32_t size;	       /* of this message */
	uint32_t version;      /* native version chosen, 0: libqb's wire */
	int32_t error;	       /* 0, or why not: what accept returned, or -errno */
	uint32_t abilities;    /* the bit that this is the answer to; else 0 */
	int32_t type;	       /* enum qb_ipc_type: socket or shm */
	uint32_t max_msg_size; /* bytes agreed */
	uint64_t opaque;       /* a number; never an address */
	char request[QBI_WIRE_NAME_SIZE];
	char response[QBI_WIRE_NAME_SIZE];
	char event[QBI_WIRE_NAME_SIZE];
};

_Static_assert(sizeof(struct qbi_hello) == 24, "request of the handshake");
_Static_assert(offsetof(struct qbi_hello, size) == 8, "size @8");
_Static_assert(offsetof(struct qbi_hello, max_msg_size) == 16, "max_msg_size @16");
_Static_assert(sizeof(struct qbi_welcome) == QBI_MIN_MSG_SIZE, "response of the handshake");
_Static_assert(offsetof(struct qbi_welcome, error) == 16, "error @16");
_Static_assert(offsetof(struct qbi_welcome, type) == 24, "type @24");
_Static_assert(offsetof(struct qbi_welcome, opaque) == 32, "opaque @32");
_Static_assert(offsetof(struct qbi_welcome, request) == 40, "request @40");
_Static_assert(offsetof(struct qbi_welcome, event) == 8232, "event @8232");

/*
 * Fill in the first message of a client that asks for messages of up to @max_msg_size bytes
 * and supports the native wire up to @version. With 0 it supports only libqb's wire, and
 * the message holds nothing that libqb would not send.
 */
void qbi_hello_init(struct qbi_hello *hello, size_t max_msg_size, uint32_t version);

/* Offer libqb's wire only, after an attempt with the native wire has failed. */
void qbi_hello_decline(struct qbi_hello *hello);

/*
 * Fill in a question instead: @ability is one of QBI_ABILITY_, @version may be 0.
 */
void qbi_hello_ask(struct qbi_hello *hello, size_t max_msg_size, uint32_t version,
		   uint32_t ability);

/*
 * Fill in a question for the counters of the connections whose numbers are below @below;
 * 0: of all. The number shares the field in which a client states its wishes for a
 * connection. A server that does not know questions reads 0 there as libqb's wire and the
 * smallest messages.
 */
void qbi_hello_ask_watch(struct qbi_hello *hello, uint64_t below);
uint64_t qbi_hello_watch_below(const struct qbi_hello *hello);

/* The question that a checked first message has, a bit; 0: it wants a connection. */
uint32_t qbi_hello_question(const struct qbi_hello *hello);

/* 0, -EBADMSG when it is not a handshake, -EMSGSIZE when it asks for too much. */
int qbi_hello_check(const struct qbi_hello *hello);

/* An answer with all bytes set: nothing of the server's memory goes out with it. */
void qbi_welcome_init(struct qbi_welcome *welcome, int32_t error);

/*
 * 0, or -EBADMSG when a field is out of range or a name has no terminator. The
 * refusal in @error is not looked at: it is for the caller.
 */
int qbi_welcome_check(const struct qbi_welcome *welcome);

#endif
