/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server under test in a child process, and the handle its parent has on it.
 *
 * The child runs the service on one of the adapters and writes every callback into
 * a trace that both processes see. The parent has functions of the same program run
 * inside the child's loop (host_call): fork() leaves both with the same code at
 * the same addresses, so a function pointer is all that crosses.
 *
 * What goes wrong in the child (SERVER_REQUIRE, a broken poll contract, a leak) is
 * kept in shared memory and fails the parent's test at its next look.
 */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <check.h>
#include <qb/qbipcs.h>

#include "tests/lib/adapter.h"

enum {
	TRACE_SIZE = 16384,
	SLOT_COUNT = 24,
	BLOB_SIZE = 4096,
	CALL_ARGS = 4,
	CONNECTIONS_MAX = 1200,
};

/* What parent and child share. The child writes; the parent writes @blob before a
 * call and reads it afterwards. */
struct server_shared {
	char trace[TRACE_SIZE]; /* "accept:1 created:1 ..." */
	atomic_size_t trace_length;
	char failure[512];
	atomic_bool failed;
	atomic_int run_result;
	_Atomic int64_t slot[SLOT_COUNT]; /* for the hooks of a test */
	unsigned char blob[BLOB_SIZE];
};

struct server;

/*
 * Everything left zero is the default: accept, echo, close at once. The trace is kept
 * whether or not there is a hook.
 */
struct server_spec {
	enum qb_ipc_type type;
	bool libqb_wire;	       /* not the native transport */
	const struct adapter *adapter; /* the built-in loop */
	const char *name;	       /* a fresh one */
	int32_t service_id;
	bool quiet; /* no "msg" in the trace */
	bool no_msg_process;
	bool untraced;			    /* nothing in the trace at all */
	void (*prepare)(struct server *sv); /* before poll handlers and run */
	int32_t (*accept)(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid);
	void (*created)(struct server *sv, qb_ipcs_connection_t *c);
	int32_t (*msg)(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size);
	int32_t (*closed)(struct server *sv, qb_ipcs_connection_t *c);
	void (*destroyed)(struct server *sv, qb_ipcs_connection_t *c);
};

/* In the child. Connections are numbered from 1 in the order of their accept. */
struct server {
	struct server_spec spec;
	const struct adapter *adapter;
	char name[108];
	struct server_shared *shared;
	qb_ipcs_service_t *service; /* NULL once destroyed */
	int control;
	int accepted;
	struct {
		qb_ipcs_connection_t *c;
		int number;
	} connections[CONNECTIONS_MAX];
};

/* In the parent. */
struct host {
	struct host *next; /* of all that the test has started */
	pid_t pid;	   /* -1 once gone */
	int control;
	char name[108];
	struct server_shared *shared;
};

typedef int64_t (*remote_fn)(struct server *sv, const int64_t *args);

/* Parent: start, stop (destroys the service and checks for leaks), SIGKILL. */
struct host *host_start(const struct server_spec *spec);
/* As host_start(), but run() may fail: its value is in shared->run_result. */
struct host *host_try_start(const struct server_spec *spec);
void host_stop(struct host *h);
void host_kill(struct host *h);
/* SIGSTOP, and wait until it is stopped; and SIGCONT. */
void host_freeze(struct host *h);
void host_thaw(struct host *h);

/* Run @fn with up to CALL_ARGS numbers in the child's loop; its result. */
int64_t host_call_args(struct host *h, remote_fn fn, const int64_t *args);
#define host_call(h, fn, ...) host_call_args(h, fn, (const int64_t[CALL_ARGS]){ __VA_ARGS__ })

/* Fail the test if something went wrong in the child. */
void host_check(struct host *h);
int32_t host_run_result(struct host *h);
int64_t host_slot(struct host *h, int i);
const char *host_trace(struct host *h);
/* The trace becomes exactly @expected within the deadline. */
void host_expect_trace(struct host *h, const char *expected);
/* The trace comes to hold @part within the deadline. */
void host_await_trace(struct host *h, const char *part);

/* Child. */
void server_main(struct server *sv) __attribute__((noreturn));
void server_trace(struct server *sv, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void server_fail(struct server *sv, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5), noreturn));
int server_number(struct server *sv, qb_ipcs_connection_t *c);
qb_ipcs_connection_t *server_connection(struct server *sv, int number);
/* What the default does with a message; for hooks that treat only some. */
int32_t server_default_msg(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size);
/* Hooks that echo any request, and wait for room as long as there is none. */
int32_t server_answer(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size);
int32_t server_answer_by_event(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size);
/* The server of this process: handlers of the library carry no argument of ours. */
extern struct server *the_server;

#define SERVER_REQUIRE(sv, condition)                                                          \
	do {                                                                                   \
		if (!(condition))                                                              \
			server_fail(sv, __FILE__, __LINE__, "%s", #condition);                 \
	} while (0)

#define SERVER_REQUIRE_EQ(sv, value, expected)                                                 \
	do {                                                                                   \
		long long value_ = (value), expected_ = (expected);                            \
		if (value_ != expected_)                                                       \
			server_fail(sv, __FILE__, __LINE__, "%s is %lld, not %lld", #value,    \
				    value_, expected_);                                        \
	} while (0)

#endif
