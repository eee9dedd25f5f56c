/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot: what a service sends to a watcher after its answer to the handshake, in pages
 * (page.h). Its records are connections, the newest first. For the next page the watcher asks
 * for connections with numbers below the last one.
 */
#ifndef QBI_WIRE_SNAPSHOT_H
#define QBI_WIRE_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#define QBI_SNAPSHOT_MARK 0x31574951u /* "QIW1" */
/*
 * Most records of a page. The whole answer fits in a socket buffer of default size, and a
 * page takes the service little time, however many connections it has.
 */
#define QBI_SNAPSHOT_RECORDS 1024u
/* A reader accepts at most so many connections: the usual limit of open files. */
#define QBI_SNAPSHOT_CONNECTIONS (1u << 20)
/* Places for the counts of refusals, of which the last ones are not used yet. */
#define QBI_SNAPSHOT_REFUSALS 32
/* The parts of a distribution of times. */
#define QBI_SNAPSHOT_BUCKETS 24

/* A distribution of times. */
struct qbi_snapshot_times {
	uint64_t sum_ns;
	/* Those up to qbi_snapshot_bound() of the index, and above the bound before. */
	uint64_t count[QBI_SNAPSHOT_BUCKETS];
};

struct qbi_snapshot_head {
	uint32_t mark;	      /* QBI_SNAPSHOT_MARK */
	uint32_t head_size;   /* bytes of this struct */
	uint32_t record_size; /* bytes of each record */
	uint32_t records;     /* that follow */
	uint32_t connections; /* that are up */
	int32_t service_id;   /* as the application gave it */
	uint32_t flow;	      /* flow-control value of new connections */
	uint32_t more;	      /* 1: there are older ones than those of this page */
	uint64_t closed;      /* connections that have ended */
	uint64_t time_ns;     /* CLOCK_MONOTONIC of the snapshot */
	/* Sums over all connections, with those that have ended; in the first page only. */
	uint64_t requests;
	uint64_t responses;
	uint64_t events;
	uint64_t send_retries;
	uint64_t recv_retries;
	uint64_t flow_control_count;
	/* In the order of struct qbipc_service_refusals, behind its size. */
	uint64_t refusals[QBI_SNAPSHOT_REFUSALS];
	uint32_t timing;   /* 1: times are measured; 0: those that follow are zero */
	uint32_t reserved; /* 0 */
	struct qbi_snapshot_times process;  /* in the application, per request */
	struct qbi_snapshot_times lateness; /* of a timer in the application's loop */
};

struct qbi_snapshot_record {
	uint64_t number; /* clients of the service count from 1 */
	int32_t pid;	 /* of the client: SO_PEERCRED */
	uint32_t uid;
	uint32_t gid;
	uint32_t native;	/* version of the native wire, 0: libqb's */
	uint32_t max_msg_size;	/* bytes agreed */
	uint32_t flow;		/* flow-control value published */
	uint32_t events_queued; /* that the client has not taken */
	uint32_t why;		/* not the native wire: wire/why.h; 0: it is */
	uint64_t requests;
	uint64_t responses;
	uint64_t events;
	uint64_t send_retries;
	uint64_t recv_retries;
	uint64_t flow_control_count;
	uint64_t age_ns; /* since the client was accepted */
};

_Static_assert(sizeof(struct qbi_snapshot_head) == 760, "head of a snapshot");
_Static_assert(sizeof(struct qbi_snapshot_record) == 96, "record of a snapshot");

/*
 * The largest time, in ns, of a part: 1, 2, 5, 10 and so on microseconds up to 20 s; of the
 * last part UINT64_MAX.
 */
uint64_t qbi_snapshot_bound(unsigned int index);

#endif
