/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a connection is not on the native wire: a code of enum qbipc_why, and where the system
 * said no, which call that was and with which errno. It travels in 16 bits, in the abilities
 * of the handshake and in the records of a snapshot: docs/protocol.md.
 *
 * Trust: numbers that came from elsewhere are checked when they are unpacked.
 */
#ifndef QBI_WIRE_WHY_H
#define QBI_WIRE_WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qbipc/snapshot.h>

/* Packed: code, call, error. */
#define QBI_WHY_CALL_SHIFT 4
#define QBI_WHY_ERROR_SHIFT 8

/* Calls that the native wire needs; on the wire as these numbers, below 16. */
enum qbi_why_call {
	QBI_CALL_UNKNOWN,
	QBI_CALL_MEMFD_CREATE,
	QBI_CALL_FTRUNCATE,
	QBI_CALL_SEALS, /* fcntl(2) */
	QBI_CALL_MMAP,
	QBI_CALL_SOCKETPAIR,
	QBI_CALL_SENDMSG, /* with descriptors */
	QBI_CALL_RECVMSG, /* likewise */
	QBI_CALL_FSTAT,
	QBI_CALL_FSTATFS,
	QBI_CALL_GETSOCKOPT,
	QBI_CALLS,
};

/* All zero: the native wire, or nothing that keeps from it. */
struct qbi_why {
	uint8_t code; /* enum qbipc_why */
	uint8_t call; /* enum qbi_why_call */
	uint8_t error;
};

/* @call said @error, a negative errno, to this end. */
struct qbi_why qbi_why_server(enum qbi_why_call call, int error);
struct qbi_why qbi_why_client(enum qbi_why_call call, int error);

/* Of one for a lack that may be over the next time. */
bool qbi_why_is_short(struct qbi_why why);

uint32_t qbi_why_pack(struct qbi_why why);

/*
 * What another process packed, if it is one that a client (a server) says of itself;
 * otherwise the other end says no more than libqb does.
 */
struct qbi_why qbi_why_of_client(uint32_t packed);
struct qbi_why qbi_why_of_server(uint32_t packed);

/* Of a record, which is about either end; codes that are not known here stay. */
struct qbi_why qbi_why_unpack(uint32_t packed);

/* In words: static; of codes that are not known here too. */
const char *qbi_why_text(struct qbi_why why);
/* The name of the call; NULL: not known. */
const char *qbi_why_call_name(struct qbi_why why);

/*
 * A line of log, now and then for each code: who came to use libqb's wire and why. @peer is
 * the client; 0: this process itself.
 */
void qbi_why_log(const char *service, pid_t peer, struct qbi_why why);

#endif
