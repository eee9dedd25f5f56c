/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls whose messages each end writes and reads completely: built in memory of its own and
 * sent, or built and looked at where they lie.
 */
#include "lend.h"
#include "peer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/* The same work in both kinds of rows. */
static void call_built(struct bench_run *run, struct bench_request *req)
{
	static union bench_buffer answer;
	size_t size = (size_t)req->head.size;

	bench_body_write(req, sizeof(*req), size, 1);
	bench_send(run->conn, req);
	if (qb_ipcc_recv(run->conn, &answer, sizeof(answer), -1) != (ssize_t)size)
		bench_die("the answer has another size", EPROTO);
	bench_sum += bench_body_read(&answer, size);
}

static void call_lent(struct bench_run *run, struct bench_request *req)
{
	size_t size = (size_t)req->head.size;
	const void *answer;
	void *place;
	int r;

	while ((r = qbipc_request_reserve(run->conn, size, &place)) == -EAGAIN)
		sched_yield();
	if (r < 0)
		bench_die("request_reserve", r);
	memcpy(place, req, sizeof(*req));
	bench_body_write(place, sizeof(*req), size, 1);
	while ((r = (int)qbipc_request_commit(run->conn, size)) == -EAGAIN)
		sched_yield();
	if (r < 0)
		bench_die("request_commit", r);
	if (qbipc_response_view(run->conn, &answer, -1) != (ssize_t)size)
		bench_die("the answer has another size", EPROTO);
	bench_sum += bench_body_read(answer, size);
	qbipc_response_release(run->conn);
}

static void calls_for(struct bench_run *run, struct bench_request *req, uint64_t ns,
		      struct histogram *h)
{
	uint64_t begin = bench_now_ns(), before = begin, now = begin;

	while (now - begin < ns) {
		if (req->head.id == BENCH_LEND)
			call_lent(run, req);
		else
			call_built(run, req);
		now = bench_now_ns();
		histogram_add(h, now - before);
		before = now;
	}
}

static void measure(struct bench_run *run, enum bench_id id)
{
	static struct histogram warm, h;
	struct bench_request *req = bench_message(id, run->row->size);
	struct bench_cpu since;
	uint64_t begin;

	calls_for(run, req, run->opts->time_ns / BENCH_WARM_UP_PART, &warm);
	since = bench_cpu_begin(run);
	begin = bench_now_ns();
	calls_for(run, req, run->opts->time_ns, &h);
	bench_print("rate", (double)h.count * 1e9 / (double)(bench_now_ns() - begin), "/s");
	bench_print("p50", histogram_us(&h, 0.50), "us");
	bench_print("p99", histogram_us(&h, 0.99), "us");
	bench_cpu_print(run, since, h.count);
	free(req);
}

void bench_built(struct bench_run *run)
{
	measure(run, BENCH_BUILD);
}

void bench_lent(struct bench_run *run)
{
	if (!qbipc_request_reserve)
		exit(BENCH_NOT_BUILT);
	measure(run, BENCH_LEND);
}
