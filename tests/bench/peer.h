/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The benchmark peer: one program, built once per library from the public API alone.
 *
 *   bench-peer serve NAME shm|socket              the server end
 *   bench-peer --server PROG [options] ROW        the client end of one row
 *   bench-peer --list | --list-curves             names of rows
 *
 * The client end starts the server end as a process of its own, from PROG, which may be
 * built against another library: that is how every pairing is measured by the same code.
 * It prints one line per figure, "METRIC VALUE UNIT", and a failure ends the process.
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

enum bench_id {
	BENCH_ECHO = QB_IPC_MSG_USER_START + 1, /* answered by one of the same size */
	BENCH_ONEWAY,				/* not answered */
	BENCH_EVENTS, /* not answered: @count events of @size bytes follow */
	BENCH_REPORT, /* answered by a struct bench_report */
	BENCH_PIN,    /* echoed, from the CPU @count on */
};

struct bench_request {
	struct qb_ipc_request_header head;
	uint32_t count;
	uint32_t size;
};

/* Room for any answer or event. */
union bench_buffer {
	struct qb_ipc_response_header head;
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
	qb_ipcc_connection_t *conn;
};

enum bench_placement {
	BENCH_ANYWHERE, /* as the scheduler likes: some runs share a CPU */
	BENCH_ONE_CPU,	/* both ends see the first CPU only, before they do anything */
	BENCH_TWO_CPUS, /* each end moves to a CPU of its own, after they are connected */
};

struct bench_row {
	const char *name;
	void (*measure)(struct bench_run *run);
	size_t size; /* of a message, header included */
	int count;   /* of connections, or of events read per wake-up (0: all) */
	enum bench_placement placement;
};

/* server.c */
int bench_serve(const char *name, const char *type);

/* process.c: the server's process, and what the kernel says about a process */
void bench_raise_fd_limit(void);
void bench_server_start(struct bench_run *run);
void bench_server_stop(struct bench_run *run);
uint64_t bench_count_fds(void);
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

/* rows-*.c */
void bench_roundtrip(struct bench_run *run);
void bench_oneway(struct bench_run *run);
void bench_events(struct bench_run *run);
void bench_reconnect(struct bench_run *run);
void bench_many_clients(struct bench_run *run);
void bench_memory(struct bench_run *run);
void bench_idle(struct bench_run *run);

#endif
