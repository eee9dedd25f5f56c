/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server end: the built-in loop, one service, default priority, SIGTERM ends it. */
#include "peer.h"
#include "place.h"

#include <errno.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static qb_loop_t *loop;

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t accept_everybody(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	(void)c;
	(void)uid;
	(void)gid;
	return 0;
}

static void answer(qb_ipcs_connection_t *c, const void *data, size_t size)
{
	ssize_t r = qb_ipcs_response_send(c, data, size);

	if (r != (ssize_t)size && r != -ENOTCONN)
		bench_die("response_send", (int)r);
}

/* Full queues are waited out here: the client reads until it has what it asked for. */
static void send_events(qb_ipcs_connection_t *c, uint32_t count, uint32_t size)
{
	static union bench_buffer event;
	ssize_t r;

	event.head.id = BENCH_EVENTS;
	event.head.size = (int32_t)size;
	while (count > 0) {
		r = qb_ipcs_event_send(c, &event, size);
		if (r == -EAGAIN)
			sched_yield();
		else if (r < 0)
			return;
		else
			count--;
	}
}

static void send_report(qb_ipcs_connection_t *c, int with_memory)
{
	struct bench_report report = {
		.head = { .id = BENCH_REPORT, .size = sizeof(report) },
	};

	if (with_memory) {
		report.rss_bytes = bench_proc_bytes("/proc/self/smaps_rollup", "Rss");
		report.pss_bytes = bench_proc_bytes("/proc/self/smaps_rollup", "Pss");
		report.fds = bench_count_fds();
	}
	report.cpu_ns = bench_cpu_ns();
	answer(c, &report, sizeof(report));
}

static int32_t process(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct bench_request *req = data;

	switch (req->head.id) {
	case BENCH_PIN:
		bench_pin((int)req->count);
		answer(c, data, size);
		break;
	case BENCH_ECHO: answer(c, data, size); break;
	case BENCH_EVENTS: send_events(c, req->count, req->size); break;
	case BENCH_REPORT: send_report(c, req->count != 0); break;
	default: break;
	}
	return 0;
}

static int32_t closed(qb_ipcs_connection_t *c)
{
	(void)c;
	return 0;
}

static void nothing(qb_ipcs_connection_t *c)
{
	(void)c;
}

static int32_t terminate(int32_t sig, void *data)
{
	(void)sig;
	(void)data;
	qb_loop_stop(loop);
	return -1;
}

int bench_serve(const char *name, const char *type)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = accept_everybody,
		.connection_created = nothing,
		.msg_process = process,
		.connection_closed = closed,
		.connection_destroyed = nothing,
	};
	struct qb_ipcs_poll_handlers poll_handlers = {
		.job_add = job_add,
		.dispatch_add = dispatch_add,
		.dispatch_mod = dispatch_mod,
		.dispatch_del = dispatch_del,
	};
	qb_loop_signal_handle signal_handle;
	qb_ipcs_service_t *service;
	int r;

	loop = qb_loop_create();
	if (!loop)
		bench_die("loop_create", errno);
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, terminate, &signal_handle);
	service = qb_ipcs_create(name, 1, strcmp(type, "socket") ? QB_IPC_SHM : QB_IPC_SOCKET,
				 &handlers);
	if (!service)
		bench_die("ipcs_create", errno);
	qb_ipcs_poll_handlers_set(service, &poll_handlers);
	r = qb_ipcs_run(service);
	if (r < 0)
		bench_die("ipcs_run", r);
	puts("ready");
	fflush(stdout);
	qb_loop_run(loop);
	qb_ipcs_destroy(service);
	qb_loop_destroy(loop);
	return 0;
}
