/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One measurement of qbipc bench: calls of one size over one connection. */
#include <errno.h>
#include <string.h>

#include "tools/measure/histogram.h"
#include "tools/qbipc/bench.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define WARM_UP_PART 8 /* a warm-up of an eighth of the time of a cell comes first */
#define PROGRESS_NS (100ull * NS_PER_MS)

/* Static, because there is only one measurement at a time. */
static union {
	struct echo_message message;
	char bytes[BENCH_SIZE_MAX];
} request, response;

struct measurement {
	qb_ipcc_connection_t *c;
	struct bench_cell *cell;
	struct bench_progress *progress;
};

/* -- Progress: one line, erased at the end ---------------------------------------- */

static void progress_show(const struct measurement *m, uint64_t done_ns, uint64_t all_ns)
{
	struct bench_progress *p = m->progress;
	uint64_t now = tool_now_ns();

	if (!p->on || now - p->shown_ns < PROGRESS_NS)
		return;
	p->shown_ns = now;
	fprintf(stderr, "\r%s, %zu bytes: %3u %%\033[K", m->cell->transport, m->cell->size,
		(unsigned int)(done_ns < all_ns ? done_ns * 100 / all_ns : 100));
	fflush(stderr);
}

static void progress_hide(const struct measurement *m)
{
	if (m->progress->on && m->progress->shown_ns)
		fputs("\r\033[K", stderr);
}

/* -- Calls ----------------------------------------------------------------------- */

static int call(qb_ipcc_connection_t *c, size_t size)
{
	struct iovec iov = { &request, size };
	uint64_t give_up = 0;
	ssize_t n;

	while ((n = qb_ipcc_sendv_recv(c, &iov, 1, &response, size, BENCH_CALL_MS)) ==
	       -EAGAIN) {
		/* The ring is full, or flow control is on: try again soon. */
		if (!give_up)
			give_up = tool_now_ns() + (uint64_t)BENCH_CALL_MS * NS_PER_MS;
		if (tool_now_ns() > give_up)
			return -EAGAIN;
		tool_sleep_until(tool_now_ns() + NS_PER_MS / 10);
	}
	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EBADMSG;
}

static int call_for(const struct measurement *m, uint64_t ns, struct histogram *h)
{
	uint64_t begin = tool_now_ns(), before = begin, now;
	int r;

	do {
		r = call(m->c, m->cell->size);
		if (r < 0)
			return r;
		now = tool_now_ns();
		histogram_add(h, now - before);
		before = now;
		if ((h->count & 63) == 0)
			progress_show(m, now - begin, ns);
	} while (now - begin < ns);
	m->cell->rate = (double)h->count * 1e9 / (double)(now - begin);
	return 0;
}

int bench_measure(qb_ipcc_connection_t *c, struct bench_cell *cell, uint64_t ns,
		  struct bench_progress *progress)
{
	static struct histogram warm, h;
	struct measurement m = { c, cell, progress };
	int r;

	memset(&h, 0, sizeof(h));
	request.message.header.id = ECHO_REQUEST;
	request.message.header.size = (int32_t)cell->size;
	r = call_for(&m, ns / WARM_UP_PART, &warm);
	if (r == 0)
		r = call_for(&m, ns, &h);
	progress_hide(&m);
	if (r < 0)
		return r;
	cell->count = h.count;
	cell->p50_us = histogram_us(&h, 0.50);
	cell->p99_us = histogram_us(&h, 0.99);
	return 0;
}
