/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows over one connection: calls, requests without answers, events. */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* Calls for @ns, each added to @h. */
static void call_for(struct bench_run *run, struct bench_request *req, uint64_t ns,
		     struct histogram *h)
{
	uint64_t begin = bench_now_ns(), before = begin, now = begin;

	while (now - begin < ns) {
		bench_call(run->conn, req);
		now = bench_now_ns();
		histogram_add(h, now - before);
		before = now;
	}
}

void bench_roundtrip(struct bench_run *run)
{
	static struct histogram warm, h;
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	struct bench_cpu since;
	uint64_t begin;

	call_for(run, req, run->opts->time_ns / BENCH_WARM_UP_PART, &warm);
	since = bench_cpu_begin(run);
	begin = bench_now_ns();
	call_for(run, req, run->opts->time_ns, &h);
	bench_print("rate", (double)h.count * 1e9 / (double)(bench_now_ns() - begin), "/s");
	bench_print("p50", histogram_us(&h, 0.50), "us");
	bench_print("p99", histogram_us(&h, 0.99), "us");
	bench_cpu_print(run, since, h.count);
	free(req);
}

/* Requests for @ns; the server has taken all of them at the end. Returns how many. */
static uint64_t send_for(struct bench_run *run, struct bench_request *req, uint64_t ns)
{
	uint64_t begin = bench_now_ns(), n = 0;

	/* The clock costs as much as a fast send: ask it now and then. */
	do {
		for (int i = 0; i < 16; i++, n++)
			bench_send(run->conn, req);
	} while (bench_now_ns() - begin < ns);
	bench_ask(run, 0);
	return n;
}

void bench_oneway(struct bench_run *run)
{
	struct bench_request *req = bench_message(BENCH_ONEWAY, run->row->size);
	struct bench_cpu since;
	uint64_t begin, n;

	send_for(run, req, run->opts->time_ns / BENCH_WARM_UP_PART);
	since = bench_cpu_begin(run);
	begin = bench_now_ns();
	n = send_for(run, req, run->opts->time_ns);
	bench_print("rate", (double)n * 1e9 / (double)(bench_now_ns() - begin), "/s");
	bench_cpu_print(run, since, n);
	free(req);
}

/* Events on their way at any time: two of these, so that the server never runs dry. */
#define EVENT_CREDIT 512

/* Wait until the descriptor is readable, then read @per_wake events, or all if 0. */
static uint64_t read_events(struct bench_run *run, int fd, int per_wake)
{
	static union bench_buffer event;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;
	ssize_t r;

	if (poll(&pfd, 1, -1) < 0)
		bench_die("poll", errno);
	do {
		r = qb_ipcc_event_recv(run->conn, &event, sizeof(event), 0);
		if (r > 0)
			n++;
	} while (r > 0 && n != (uint64_t)per_wake);
	if (r < 0 && r != -EAGAIN)
		bench_die("ipcc_event_recv", (int)r);
	return n;
}

/* Read events for @ns, asking for more while they come; leaves none behind. */
static uint64_t receive_for(struct bench_run *run, int fd, uint64_t ns)
{
	uint64_t begin = bench_now_ns(), got = 0, asked = 2 * EVENT_CREDIT;
	struct bench_request *req = bench_message(BENCH_EVENTS, run->row->size);

	req->size = (uint32_t)run->row->size;
	req->count = EVENT_CREDIT;
	bench_send(run->conn, req);
	bench_send(run->conn, req);
	while (got < asked) {
		got += read_events(run, fd, run->row->count);
		if (asked - got > EVENT_CREDIT || bench_now_ns() - begin > ns)
			continue;
		bench_send(run->conn, req);
		asked += EVENT_CREDIT;
	}
	free(req);
	return got;
}

void bench_events(struct bench_run *run)
{
	struct bench_cpu since;
	int fd = bench_event_fd(run);
	uint64_t begin, n;

	receive_for(run, fd, run->opts->time_ns / BENCH_WARM_UP_PART);
	since = bench_cpu_begin(run);
	begin = bench_now_ns();
	n = receive_for(run, fd, run->opts->time_ns);
	bench_print("rate", (double)n * 1e9 / (double)(bench_now_ns() - begin), "/s");
	bench_cpu_print(run, since, n);
}
