/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a connection does not use the native wire: a code of enum qbipc_why and, if a system
 * call failed, the call and its errno. The reason is sent in 16 bits, in the abilities of the
 * handshake and in the records of a snapshot: docs/protocol.md.
 *
 * Trust: values from other processes are checked when they are unpacked.
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

/* Calls that the native wire needs. These numbers are sent; they are below 16. */
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
	QBI_CALL_OPEN, /* of /proc/self/fd */
	QBI_CALL_FCHMOD,
	QBI_CALL_GETRANDOM,
	QBI_CALL_SOCKET,  /* of the bell */
	QBI_CALL_CONNECT, /* likewise */
	QBI_CALLS,
};

/* All zero: the native wire is used, or nothing prevents it. */
struct qbi_why {
	uint8_t code; /* enum qbipc_why */
	uint8_t call; /* enum qbi_why_call */
	uint8_t error;
};

/* @call of this end failed with @error, a negative errno. */
struct qbi_why qbi_why_server(enum qbi_why_call call, int error);
struct qbi_why qbi_why_client(enum qbi_why_call call, int error);

/* Is it a shortage, which may be over the next time? */
bool qbi_why_is_short(struct qbi_why why);

uint32_t qbi_why_pack(struct qbi_why why);

/*
 * Unpack a value of another process, if it is one that a client (a server) can report about
 * itself; otherwise treat the peer like libqb, which reports nothing.
 */
struct qbi_why qbi_why_of_client(uint32_t packed);
struct qbi_why qbi_why_of_server(uint32_t packed);

/* Unpack a value of a record, about either end; unknown codes are kept. */
struct qbi_why qbi_why_unpack(uint32_t packed);

/* The reason in words, a static string; also for unknown codes. */
const char *qbi_why_text(struct qbi_why why);
/* The name of the call; NULL: it is unknown. */
const char *qbi_why_call_name(struct qbi_why why);

/*
 * Log which process uses libqb's wire and why, rate-limited for each code. @peer is the
 * client; 0: this process itself.
 */
void qbi_why_log(const char *service, pid_t peer, struct qbi_why why);

#endif
