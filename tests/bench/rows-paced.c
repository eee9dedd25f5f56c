/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows at the pace of daemons: between two messages both ends sleep. The end that begins, the
 * client of a call or the server of an event, sleeps with clock_nanosleep(2) until the next
 * one is due; its CPU time is counted, too.
 */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* Messages of a part of the time; two at least. */
static uint64_t messages_in(const struct bench_run *run, uint64_t ns)
{
	uint64_t n = ns * (uint64_t)run->row->pace / 1000000000;

	return n < 2 ? 2 : n;
}

static void figures_print(const struct bench_run *run, const struct histogram *h,
			  struct bench_cpu since)
{
	bench_print("p50", histogram_us(h, 0.50), "us");
	bench_print("p99", histogram_us(h, 0.99), "us");
	bench_cpu_print(run, since, h->count);
}

static void calls_make(const struct bench_run *run, struct bench_request *req, uint64_t n,
		       struct histogram *h)
{
	struct bench_pace pace;
	uint64_t begin;

	/* Both ends have slept before the first one, too. */
	bench_pace_begin(&pace, (uint64_t)run->row->pace,
			 1000000000 / (uint64_t)run->row->pace);
	while (n-- > 0) {
		bench_pace_wait(&pace);
		begin = bench_now_ns();
		bench_call(run->conn, req);
		histogram_add(h, bench_now_ns() - begin);
	}
}

void bench_paced_calls(struct bench_run *run)
{
	static struct histogram warm, h;
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	uint64_t ns = run->opts->time_ns;
	struct bench_cpu since;

	calls_make(run, req, messages_in(run, ns / BENCH_WARM_UP_PART), &warm);
	since = bench_cpu_begin(run);
	calls_make(run, req, messages_in(run, ns), &h);
	figures_print(run, &h, since);
	free(req);
}

/* Wait until the descriptor is readable, then take one event. */
static void event_take(const struct bench_run *run, int fd, struct histogram *h)
{
	static union bench_buffer buffer;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t r;

	if (poll(&p, 1, -1) < 0)
		bench_die("poll", errno);
	r = qb_ipcc_event_recv(run->conn, &buffer, sizeof(buffer), 0);
	if (r == -EAGAIN)
		return;
	if (r < (ssize_t)sizeof(buffer.event))
		bench_die("ipcc_event_recv", r < 0 ? (int)r : EPROTO);
	histogram_add(h, bench_now_ns() - buffer.event.sent_ns);
}

static void events_take(const struct bench_run *run, int fd, uint64_t n, struct histogram *h)
{
	struct bench_request *req = bench_message(BENCH_EVENTS, run->row->size);

	req->size = (uint32_t)run->row->size;
	req->count = (uint32_t)n;
	req->pace = (uint32_t)run->row->pace;
	bench_send(run->conn, req);
	while (h->count < n)
		event_take(run, fd, h);
	free(req);
}

void bench_paced_events(struct bench_run *run)
{
	static struct histogram warm, h;
	uint64_t ns = run->opts->time_ns;
	int fd = bench_event_fd(run);
	struct bench_cpu since;

	events_take(run, fd, messages_in(run, ns / BENCH_WARM_UP_PART), &warm);
	since = bench_cpu_begin(run);
	events_take(run, fd, messages_in(run, ns), &h);
	figures_print(run, &h, since);
}
