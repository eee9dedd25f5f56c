/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service and a monitor send after the answer to the handshake: the monitor says what
 * it wants; then the service sends a head, and a record for each message, until one of them
 * leaves. Pure; no I/O.
 *
 * New fields are only added at the end of head, wish and record, each of which states its
 * size. A reader ignores fields that it does not know.
 */
#ifndef QBI_WIRE_MONITOR_H
#define QBI_WIRE_MONITOR_H

#include <stddef.h>
#include <stdint.h>

#define QBI_MONITOR_MARK 0x314d4951u /* "QIM1" */

/* A record has at most so many bytes of its message: two fit in a socket buffer. */
#define QBI_MONITOR_BYTES (64u << 10)
/* A reader accepts at most so many bytes as a head, or as a record without its message. */
#define QBI_MONITOR_HEAD_MAX 4096u

struct qbi_monitor_head {
	uint32_t mark;	      /* QBI_MONITOR_MARK */
	uint32_t head_size;   /* bytes of this struct */
	uint32_t mode;	      /* what the service allows: enum qbipc_monitor_mode */
	int32_t service_id;   /* as the application gave it */
	uint64_t time_ns;     /* CLOCK_MONOTONIC of the service, now */
	uint64_t realtime_ns; /* CLOCK_REALTIME, likewise */
};

/* The only message of a monitor. What is 0 does not restrict. */
struct qbi_monitor_wish {
	uint32_t mark;	 /* QBI_MONITOR_MARK */
	uint32_t size;	 /* bytes of this struct; no others are accepted */
	uint32_t kinds;	 /* of records: 1 << kind */
	uint32_t bytes;	 /* most bytes of each message, if the service allows any */
	uint64_t number; /* of the connection */
	int32_t pid;	 /* of the client */
	uint32_t by_id;	 /* 1: the id of the messages is */
	int32_t id;	 /* this one; connections still come and go */
	uint32_t zero;
};

struct qbi_monitor_record {
	uint32_t size;	   /* of this struct, without the bytes of the message */
	uint32_t bytes;	   /* of the message, that follow */
	uint32_t kind;	   /* enum qbipc_monitor_kind */
	int32_t pid;	   /* of the client: SO_PEERCRED */
	uint64_t time_ns;  /* CLOCK_MONOTONIC of the service */
	uint64_t number;   /* clients of the service count from 1 */
	uint64_t lost;	   /* records for this monitor since the one before */
	uint64_t msg_size; /* bytes of the whole message */
	uint32_t uid;	   /* of the client, as the next one */
	uint32_t gid;
	uint32_t native;   /* version of the native wire, 0: libqb's */
	uint32_t max_size; /* of a message, as agreed */
	int32_t id;	   /* of the message */
	int32_t error;	   /* of a response or an event; 0 if it has no room for one */
};

_Static_assert(sizeof(struct qbi_monitor_head) == 32, "head of a monitor");
_Static_assert(sizeof(struct qbi_monitor_wish) == 40, "wish of a monitor");
_Static_assert(sizeof(struct qbi_monitor_record) == 72, "record of a monitor");

/* 0; -EBADMSG: it is no wish. */
int qbi_monitor_wish_check(const struct qbi_monitor_wish *wish);

/* 0; -EBADMSG: its mark or its size is wrong. */
int qbi_monitor_head_check(const struct qbi_monitor_head *head);

/*
 * The number of bytes of a record, those of the message included; -EBADMSG: the sizes at its
 * beginning are wrong.
 */
int64_t qbi_monitor_record_size(const struct qbi_monitor_record *record);

#endif
