/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child's side: callbacks, the control descriptor, start and end. */
#include "tests/lib/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

struct server *the_server;

/* Present when the program is built with a leak-checking sanitizer. */
static pid_t started_as;

extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void server_trace(struct server *sv, const char *format, ...)
{
	struct server_shared *sh = sv->shared;
	size_t at = atomic_load(&sh->trace_length);
	va_list ap;
	int n;

	if (sv->spec.untraced)
		return;
	va_start(ap, format);
	n = vsnprintf(sh->trace + at + (at > 0), TRACE_SIZE - at - 1, format, ap);
	va_end(ap);
	if (n < 0 || at + (size_t)n + 2 > TRACE_SIZE)
		server_fail(sv, __FILE__, __LINE__, "the trace is full");
	if (at > 0) {
		sh->trace[at] = ' ';
		n++;
	}
	atomic_store(&sh->trace_length, at + (size_t)n);
}

void server_fail(struct server *sv, const char *file, int line, const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!atomic_load(&sv->shared->failed)) {
		snprintf(sv->shared->failure, sizeof(sv->shared->failure),
			 "in the server, %s:%d: %s", file, line, text);
		atomic_store(&sv->shared->failed, true);
	}
	_exit(70);
}

static void number_assign(struct server *sv, qb_ipcs_connection_t *c)
{
	sv->accepted++;
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (!sv->connections[i].c) {
			sv->connections[i].c = c;
			sv->connections[i].number = sv->accepted;
			return;
		}
	server_fail(sv, __FILE__, __LINE__, "too many connections");
}

int server_number(struct server *sv, qb_ipcs_connection_t *c)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (c && sv->connections[i].c == c)
			return sv->connections[i].number;
	return 0;
}

qb_ipcs_connection_t *server_connection(struct server *sv, int number)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (sv->connections[i].c && sv->connections[i].number == number)
			return sv->connections[i].c;
	server_fail(sv, __FILE__, __LINE__, "no connection %d", number);
}

static void number_forget(struct server *sv, qb_ipcs_connection_t *c)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (sv->connections[i].c == c)
			sv->connections[i].c = NULL;
}

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct server *sv = the_server;

	number_assign(sv, c);
	server_trace(sv, "accept:%d", server_number(sv, c));
	return sv->spec.accept ? sv->spec.accept(sv, c, uid, gid) : 0;
}

static void on_created(qb_ipcs_connection_t *c)
{
	struct server *sv = the_server;

	server_trace(sv, "created:%d", server_number(sv, c));
	if (sv->spec.created)
		sv->spec.created(sv, c);
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct server *sv = the_server;

	if (!sv->spec.quiet)
		server_trace(sv, "msg:%d", server_number(sv, c));
	if (sv->spec.msg)
		return sv->spec.msg(sv, c, data, size);
	return server_default_msg(sv, c, data, size);
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	struct server *sv = the_server;

	server_trace(sv, "closed:%d", server_number(sv, c));
	return sv->spec.closed ? sv->spec.closed(sv, c) : 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	struct server *sv = the_server;

	server_trace(sv, "destroyed:%d", server_number(sv, c));
	if (sv->spec.destroyed)
		sv->spec.destroyed(sv, c);
	number_forget(sv, c);
}

struct call {
	remote_fn fn; /* NULL: stop */
	int64_t args[CALL_ARGS];
};

static void contract_check(struct server *sv)
{
	registration_audit();
	if (adapter_violation()[0] && !test_is_lenient())
		server_fail(sv, __FILE__, __LINE__, "%s", adapter_violation());
}

static int32_t on_control(int32_t fd, int32_t revents, void *data)
{
	struct server *sv = data;
	struct call call;
	int64_t result;
	ssize_t n = recv(fd, &call, sizeof(call), 0);

	if (n != (ssize_t)sizeof(call) || !call.fn) {
		sv->adapter->stop();
		return 0;
	}
	result = call.fn(sv, call.args);
	contract_check(sv);
	if (send(fd, &result, sizeof(result), MSG_NOSIGNAL) < 0)
		sv->adapter->stop();
	return 0;
}

static void *run_in_thread(void *arg)
{
	const struct adapter *adapter = arg;

	adapter->run();
	return NULL;
}

static void server_run_loop(struct server *sv)
{
	pthread_t thread;

	if (!sv->adapter->own_thread) {
		sv->adapter->run();
		return;
	}
	SERVER_REQUIRE(sv, !pthread_create(&thread, NULL, run_in_thread,
					   (void *)(uintptr_t)sv->adapter));
	pthread_join(thread, NULL);
}

/* Create and run the service; the handler structs are gone when this returns. */
static int32_t server_open(struct server *sv)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = on_accept,
		.connection_created = on_created,
		.msg_process = on_msg,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
	};
	struct qb_ipcs_poll_handlers poll_handlers = sv->adapter->handlers;
	int32_t result;

	if (sv->spec.no_msg_process)
		handlers.msg_process = NULL;
	sv->service = qb_ipcs_create(sv->name, sv->spec.service_id, sv->spec.type, &handlers);
	SERVER_REQUIRE(sv, sv->service);
	memset(&handlers, 0x5a, sizeof(handlers));
	if (sv->spec.prepare)
		sv->spec.prepare(sv);
	qb_ipcs_poll_handlers_set(sv->service, &poll_handlers);
	memset(&poll_handlers, 0x5a, sizeof(poll_handlers));
	result = qb_ipcs_run(sv->service);
	if (result < 0)
		sv->service = NULL;
	return result;
}

static void server_close(struct server *sv, const struct census *before)
{
	char text[256];

	sv->adapter->unwatch(sv->control);
	if (sv->service)
		qb_ipcs_destroy(sv->service);
	sv->service = NULL;
	sv->adapter->close();
	contract_check(sv);
	if (test_is_lenient())
		return;
	if (census_compare(before, text, sizeof(text)) < 0)
		server_fail(sv, __FILE__, __LINE__, "%s", text);
	/* What threads of the first process had allocated at a fork is nobody's here. */
	if (getpid() == started_as && __lsan_do_recoverable_leak_check &&
	    __lsan_do_recoverable_leak_check())
		server_fail(sv, __FILE__, __LINE__, "memory was left behind");
}

void server_main(struct server *sv)
{
	struct census before;
	int32_t result;

	the_server = sv;
	started_as = getpid();
	if (sv->adapter->prepare)
		sv->adapter->prepare();
	census_begin_anew();
	census_take(&before);
	sv->adapter->open();
	result = server_open(sv);
	atomic_store(&sv->shared->run_result, result);
	sv->adapter->watch(sv->control, on_control, sv);
	if (send(sv->control, &result, sizeof(result), MSG_NOSIGNAL) > 0)
		server_run_loop(sv);
	server_close(sv, &before);
	_exit(0);
}
