/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single steps of a client: connect, send, call, ask the server about itself. */
#include "peer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

qb_ipcc_connection_t *bench_connect(const struct bench_run *run)
{
	size_t max = run->row->size > BENCH_USUAL_MSG ? run->row->size : BENCH_USUAL_MSG;
	qb_ipcc_connection_t *c = qb_ipcc_connect(run->name, max);

	if (!c)
		bench_die("ipcc_connect", errno);
	return c;
}

void bench_fill(struct bench_request *req, enum bench_id id, size_t size)
{
	memset(req, 0, sizeof(*req));
	req->head.id = (int32_t)id;
	req->head.size = (int32_t)size;
}

struct bench_request *bench_message(enum bench_id id, size_t size)
{
	struct bench_request *req = calloc(1, size + sizeof(*req));

	if (!req)
		bench_die("calloc", ENOMEM);
	bench_fill(req, id, size);
	return req;
}

/* A full queue is retried at once: what is measured is how fast it empties. */
void bench_send(qb_ipcc_connection_t *c, struct bench_request *req)
{
	ssize_t r;

	while ((r = qb_ipcc_send(c, req, (size_t)req->head.size)) == -EAGAIN)
		sched_yield();
	if (r < 0)
		bench_die("ipcc_send", (int)r);
}

static ssize_t call(qb_ipcc_connection_t *c, struct bench_request *req, void *buf, size_t room)
{
	struct iovec iov = { .iov_base = req, .iov_len = (size_t)req->head.size };
	ssize_t r;

	while ((r = qb_ipcc_sendv_recv(c, &iov, 1, buf, room, -1)) == -EAGAIN)
		sched_yield();
	if (r < 0)
		bench_die("ipcc_sendv_recv", (int)r);
	return r;
}

void bench_call(qb_ipcc_connection_t *c, struct bench_request *req)
{
	static union bench_buffer answer;

	if (call(c, req, &answer, sizeof(answer)) != req->head.size)
		bench_die("the answer has another size", EPROTO);
}

struct bench_report bench_ask(const struct bench_run *run, int with_memory)
{
	struct bench_report report;
	struct bench_request req;

	bench_fill(&req, BENCH_REPORT, sizeof(req));
	req.count = (uint32_t)with_memory;
	if (call(run->conn, &req, &report, sizeof(report)) != (ssize_t)sizeof(report))
		bench_die("the report has another size", EPROTO);
	return report;
}

int bench_event_fd(const struct bench_run *run)
{
	int32_t fd = -1;

	if (qb_ipcc_fd_get(run->conn, &fd) < 0)
		bench_die("ipcc_fd_get", EINVAL);
	return fd;
}

struct bench_cpu bench_cpu_begin(const struct bench_run *run)
{
	struct bench_cpu since = { .server_ns = bench_ask(run, 0).cpu_ns };

	since.client_ns = bench_cpu_ns();
	return since;
}

void bench_cpu_print(const struct bench_run *run, struct bench_cpu since, uint64_t messages)
{
	uint64_t client_ns = bench_cpu_ns() - since.client_ns;
	uint64_t server_ns = bench_ask(run, 0).cpu_ns - since.server_ns;

	bench_print("cpu", (double)(client_ns + server_ns) / 1000 / (double)messages, "us");
	bench_print("server-cpu", (double)server_ns / 1000 / (double)messages, "us");
}
