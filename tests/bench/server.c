/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server end: one service in a loop, default priority; it ends with its client. */
#include "lend.h"
#include "loop.h"
#include "peer.h"
#include "place.h"

#include <errno.h>
#include <qb/qbipcs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

volatile uint64_t bench_sum;

static const struct bench_loop *loop;

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

static void answer_built(qb_ipcs_connection_t *c, const struct bench_request *req, size_t size)
{
	static union bench_buffer built;

	bench_sum += bench_body_read(req, size);
	built.head.id = req->head.id;
	built.head.size = (int32_t)size;
	bench_body_write(&built, sizeof(built.head), size, 2);
	answer(c, &built, size);
}

static void answer_lent(qb_ipcs_connection_t *c, const struct bench_request *req, size_t size)
{
	struct qb_ipc_response_header head = { .id = req->head.id, .size = (int32_t)size };
	void *place;
	int r;

	bench_sum += bench_body_read(req, size);
	while ((r = qbipc_response_reserve(c, size, &place)) == -EAGAIN)
		sched_yield();
	if (r == 0) {
		memcpy(place, &head, sizeof(head));
		bench_body_write(place, sizeof(head), size, 2);
		while ((r = (int)qbipc_response_commit(c, size)) == -EAGAIN)
			sched_yield();
	}
	if (r < 0 && r != -ENOTCONN)
		bench_die("response_commit", r);
}

/* Full queues are waited out here: the client reads until it has what it asked for. */
static void send_events(qb_ipcs_connection_t *c, const struct bench_request *req)
{
	static union bench_buffer event;
	uint32_t n = req->count;
	struct bench_pace pace;
	ssize_t r;

	event.head.id = BENCH_EVENTS;
	event.head.size = (int32_t)req->size;
	if (req->pace)
		bench_pace_begin(&pace, req->pace, 1000000000 / req->pace);
	while (n > 0) {
		if (req->pace) {
			bench_pace_wait(&pace);
			event.event.sent_ns = bench_now_ns();
		}
		while ((r = qb_ipcs_event_send(c, &event, req->size)) == -EAGAIN)
			sched_yield();
		if (r < 0)
			return;
		n--;
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
	case BENCH_BUILD: answer_built(c, req, size); break;
	case BENCH_LEND: answer_lent(c, req, size); break;
	case BENCH_EVENTS: send_events(c, req); break;
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

/* The client has closed its end of the pipe, or is gone. */
static int32_t terminate(int32_t fd, int32_t events, void *data)
{
	(void)fd;
	(void)events;
	(void)data;
	loop->stop();
	return -1;
}

int bench_serve(const char *name, const char *type, const char *loop_name)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = accept_everybody,
		.connection_created = nothing,
		.msg_process = process,
		.connection_closed = closed,
		.connection_destroyed = nothing,
	};
	qb_ipcs_service_t *service;
	int r;

	loop = bench_loop_find(loop_name);
	if (!loop)
		bench_die(loop_name, ENOSYS);
	loop->open();
	loop->watch(STDIN_FILENO, terminate);
	service = qb_ipcs_create(name, 1, strcmp(type, "socket") ? QB_IPC_SHM : QB_IPC_SOCKET,
				 &handlers);
	if (!service)
		bench_die("ipcs_create", errno);
	loop->attach(service);
	r = qb_ipcs_run(service);
	if (r < 0)
		bench_die("ipcs_run", r);
	puts("ready");
	fflush(stdout);
	loop->run();
	qb_ipcs_destroy(service);
	loop->close();
	return 0;
}
