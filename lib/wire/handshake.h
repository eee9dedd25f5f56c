/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two messages of the handshake. Byte order and alignment are those of the machine
 * (64-bit Linux): to encode is to fill in a struct, to decode is to copy bytes to one and
 * check it. Pure; no I/O.
 *
 * Some bytes are zero in libqb's messages and ignored by libqb. Our ends use them: for a
 * mark that identifies this library, and for versions and abilities of the native wire. A
 * peer without the mark is served on libqb's wire.
 */
#ifndef QBI_WIRE_HANDSHAKE_H
#define QBI_WIRE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/why.h"

#define QBI_AUTHENTICATE (-1)	  /* id of both messages */
#define QBI_WIRE_MARK 0x31434951u /* "QIC1": the sender is this library */
#define QBI_WIRE_NAME_SIZE 4096	  /* bytes of a name, terminator included */

/*
 * Questions that a client may ask instead of making a connection. The library of the server
 * answers and closes the stream. If the answer lacks the bit, the server does not know the
 * question and has made a connection.
 */
#define QBI_ABILITY_PROBE 0x1u	  /* which properties would a connection have? */
#define QBI_ABILITY_WATCH 0x2u	  /* the counters, if the client is allowed: snapshot.h */
#define QBI_ABILITY_DESCRIBE 0x4u /* the handlers, likewise: description.h */
#define QBI_ABILITY_SAMPLE 0x8u	  /* with a probe: descriptors like a connection's */
/* Each message from now on, if the service allows it: monitor.h. The stream stays. */
#define QBI_ABILITY_MONITOR 0x20u

/* No question: this stream is the bell of a connection that waits for it. No answer comes. */
#define QBI_ABILITY_BELL 0x10u

/*
 * The upper half: why not the native wire (wire/why.h), of a client with the mark and no
 * version, and in the answer to a client with a version. 0 says nothing.
 */
#define QBI_ABILITIES_WHY_SHIFT 16

/* The agreed message size is never below the size of the server's answer, */
#define QBI_MIN_MSG_SIZE 12328u
/*
 * and never above this: the API has int32 sizes, and 32-bit indexes of words must reach all
 * data of a ring, which is mapped twice.
 */
#define QBI_MAX_MSG_SIZE (1u << 30)

/* Client to server. */
struct qbi_hello {
	int32_t id;	       /* QBI_AUTHENTICATE */
	uint32_t mark;	       /* QBI_WIRE_MARK or 0 */
	int32_t size;	       /* of this message */
	uint32_t version;      /* highest native version supported, 0: none */
	uint32_t max_msg_size; /* bytes asked for */
	uint32_t abilities;    /* QBI_ABILITY_ bits, asked for; why not the native wire */
};

/* Server to client. */
struct qbi_welcome {
	int32_t id;	       /* QBI_AUTHENTICATE */
	uint32_t mark;	       /* QBI_WIRE_MARK or 0 */
	int32_t size;	       /* of this message */
	uint32_t version;      /* native version chosen, 0: libqb's wire */
	int32_t error;	       /* 0; or the reason of a refusal: from accept, or -errno */
	uint32_t abilities;    /* the bit of the question that this answers; why not native */
	int32_t type;	       /* enum qb_ipc_type: socket or shm */
	uint32_t max_msg_size; /* bytes agreed */
	uint64_t opaque;       /* a number; never an address. The one to join the bell with */
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

/* Offer libqb's wire only, and say why. */
void qbi_hello_decline(struct qbi_hello *hello, struct qbi_why why);

/*
 * Why the client of a checked first message that is no question to watch does not get the
 * native wire, whatever the server can; all zero: it may.
 */
struct qbi_why qbi_hello_why(const struct qbi_hello *hello);

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

/*
 * Fill in a question for the handlers of a service from that place on (description.h), in
 * the order of their ids; 0: all. A server that does not know questions reads the place as
 * the version of the client.
 */
void qbi_hello_ask_describe(struct qbi_hello *hello, uint32_t from);
uint32_t qbi_hello_describe_from(const struct qbi_hello *hello);

/*
 * Fill in the message with which a stream becomes the bell of the connection whose answer had
 * that number. It has the place of version and size.
 */
void qbi_hello_join(struct qbi_hello *hello, uint64_t number);

/* Is a checked first message, also one that asks for too large messages, this one? */
bool qbi_hello_is_bell(const struct qbi_hello *hello);
uint64_t qbi_hello_bell_number(const struct qbi_hello *hello);

/* The bit of the question in a checked first message; 0: the client wants a connection. */
uint32_t qbi_hello_question(const struct qbi_hello *hello);

/* 0; -EBADMSG it is no handshake; -EMSGSIZE it asks for too large messages. */
int qbi_hello_check(const struct qbi_hello *hello);

/* Say in the answer to a client with a version that this is libqb's wire, and why. */
void qbi_welcome_decline(struct qbi_welcome *welcome, struct qbi_why why);

/* Why a checked answer that is no refusal is not the native wire; all zero: it is. */
struct qbi_why qbi_welcome_why(const struct qbi_welcome *welcome);

/* Initialize all bytes of an answer, so that none of the server's memory leaks with it. */
void qbi_welcome_init(struct qbi_welcome *welcome, int32_t error);

/*
 * 0; -EBADMSG a field is out of range or a name has no terminator. The caller checks
 * @error.
 */
int qbi_welcome_check(const struct qbi_welcome *welcome);

#endif
