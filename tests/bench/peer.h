/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The benchmark peer: one program, built once per library from the public API alone.
 *
 *   bench-peer serve NAME shm|socket [LOOP]       the server end
 *   bench-peer --server PROG [options] ROW        the client end of one row
 *   bench-peer --list | --list-curves             names of rows
 *
 * The client end starts the server end as a process of its own, from PROG, which may be
 * built against another library: that is how every pairing is measured by the same code.
 * It prints one line per figure, "METRIC VALUE UNIT", and a failure ends the process. A row
 * whose server is not built for this library ends with BENCH_NOT_BUILT and prints nothing.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "figures.h"

#include <qb/qbipcc.h>
#include <stdint.h>
#include <sys/types.h>

/* The message size both ends agree on, headers included, unless a row needs more. */
#define BENCH_USUAL_MSG 65536
#define BENCH_LARGEST_MSG 1048576
#define BENCH_BUSY_MAX 1024 /* CPUs of cpu_set_t */

enum bench_id {
	BENCH_ECHO = QB_IPC_MSG_USER_START + 1, /* answered by one of the same size */
	BENCH_ONEWAY,				/* not answered */
	BENCH_EVENTS, /* not answered: @count events of @size bytes follow, @pace a second */
	BENCH_REPORT, /* answered by a struct bench_report */
	BENCH_PIN,    /* echoed, from the CPU @count on */
	BENCH_BUILD,  /* read, and answered by one of the same size that is written */
	BENCH_LEND,   /* the same, written where it lies (lend.h) */
};

struct bench_request {
	struct qb_ipc_request_header head;
	uint32_t count;
	uint32_t size;
	uint32_t pace; /* 0: one after the other */
};

/* An event that comes at a pace says when it was sent. */
struct bench_event {
	struct qb_ipc_response_header head;
	uint64_t sent_ns;
};

/* Room for any answer or event. */
union bench_buffer {
	struct qb_ipc_response_header head;
	struct bench_event event;
	char bytes[BENCH_LARGEST_MSG];
};

/* What the server says about its own process. Memory only if request.count is not 0. */
struct bench_report {
	struct qb_ipc_response_header head;
	uint64_t cpu_ns;
	uint64_t rss_bytes;
	uint64_t pss_bytes;
	uint64_t fds;
};

struct bench_row;

struct bench_opts {
	const char *server; /* program that serves */
	const char *type;   /* "shm" or "socket" */
	uint64_t time_ns;   /* how long a row is measured */
};

/* One row being measured: the server process and the first connection to it. */
struct bench_run {
	const struct bench_opts *opts;
	const struct bench_row *row;
	char name[32];
	pid_t server;
	int server_life; /* it ends when this is closed */
	qb_ipcc_connection_t *conn;
	pid_t busy[BENCH_BUSY_MAX]; /* processes that never sleep */
	int n_busy;
};

enum bench_placement {
	BENCH_ANYWHERE, /* as the scheduler likes: some runs share a CPU */
	BENCH_ONE_CPU,	/* both ends see the first CPU only, before they do anything */
	BENCH_TWO_CPUS, /* each end moves to a CPU of its own, after they are connected */
	BENCH_PINNED,	/* each end sees a CPU of its own only, before it does anything */
};

enum bench_company {
	BENCH_ALONE,
	BENCH_BUSY_ONE,	 /* one process that never sleeps, where the scheduler likes */
	BENCH_BUSY_EACH, /* one on each CPU */
};

/* A row whose figures need more time than others gets a multiple of it. */
#define BENCH_SLOW 5
#define BENCH_WAITING 50

struct bench_row {
	const char *name;
	void (*measure)(struct bench_run *run);
	size_t size; /* of a message, header included */
	int count;   /* of connections, or of events read per wake-up (0: all) */
	int pace;    /* messages per second of each client; 0: as fast as they go */
	enum bench_placement placement;
	enum bench_company company;
	const char *loop; /* that the server runs in; NULL: the built-in one */
	int libqb_wire;	  /* both ends use the wire that both libraries have */
	int times;	  /* see BENCH_SLOW; 0: once */
};

extern const struct bench_row bench_rows[], bench_curves[];

#define BENCH_NOT_BUILT 77

/* server.c: @loop is a name, and may be NULL */
int bench_serve(const char *name, const char *type, const char *loop);

/* process.c: the server's process, and what the kernel says about a process */
void bench_raise_fd_limit(void);
void bench_server_start(struct bench_run *run);
void bench_server_stop(struct bench_run *run);
void bench_busy_start(struct bench_run *run);
void bench_busy_stop(struct bench_run *run);
uint64_t bench_count_fds(void);
/* How often the threads of a process have been on a CPU, voluntarily left or not. */
uint64_t bench_proc_switches(pid_t pid);
/* The number after @key in a /proc file of "Key: number kB" lines, in bytes; 0: none. */
uint64_t bench_proc_bytes(const char *path, const char *key);

/* call.c: the steps that the rows are made of; all of them die on failure */
qb_ipcc_connection_t *bench_connect(const struct bench_run *run);
void bench_fill(struct bench_request *req, enum bench_id id, size_t size);
void bench_send(qb_ipcc_connection_t *c, struct bench_request *req);
void bench_call(qb_ipcc_connection_t *c, struct bench_request *req);
struct bench_report bench_ask(const struct bench_run *run, int with_memory);
/* A request of @size bytes, with the header filled in. */
struct bench_request *bench_message(enum bench_id id, size_t size);
/* The descriptor on which events are announced. */
int bench_event_fd(const struct bench_run *run);

/* CPU time of both ends since a moment, told per message. */
struct bench_cpu {
	uint64_t client_ns;
	uint64_t server_ns;
};
struct bench_cpu bench_cpu_begin(const struct bench_run *run);
void bench_cpu_print(const struct bench_run *run, struct bench_cpu since, uint64_t messages);

/* A row first runs unmeasured for this part of its time: caches, and adaptive limits. */
#define BENCH_WARM_UP_PART 8

/* rows-*.c */
void bench_paced_calls(struct bench_run *run);
void bench_paced_events(struct bench_run *run);
void bench_waiting(struct bench_run *run);
void bench_roundtrip(struct bench_run *run);
void bench_oneway(struct bench_run *run);
void bench_built(struct bench_run *run);
void bench_lent(struct bench_run *run);
void bench_events(struct bench_run *run);
void bench_reconnect(struct bench_run *run);
void bench_many_clients(struct bench_run *run);
void bench_memory(struct bench_run *run);
void bench_idle(struct bench_run *run);

#endif
