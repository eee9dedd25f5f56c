/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A loop of an application's own: one poll(2), then each descriptor that is ready, then the
 * jobs. No priorities.
 */
#include "figures.h"
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#define DESCRIPTORS_MAX 4096
#define JOBS_MAX 4096

/* Place i of one belongs to place i of the other. */
static struct pollfd polled[DESCRIPTORS_MAX];
static struct watch {
	qb_ipcs_dispatch_fn_t fn;
	void *data;
} watches[DESCRIPTORS_MAX];
static nfds_t n_watches;
static struct job {
	qb_loop_job_dispatch_fn fn;
	void *data;
} jobs[JOBS_MAX];
static size_t n_jobs;
static bool stopped;

static nfds_t place_of(int fd)
{
	nfds_t i = 0;

	while (i < n_watches && polled[i].fd != fd)
		i++;
	return i;
}

static void watch_fill(nfds_t i, int events, void *data, qb_ipcs_dispatch_fn_t fn)
{
	polled[i].events = (short)events;
	watches[i] = (struct watch){ fn, data };
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	(void)p;
	if (n_watches == DESCRIPTORS_MAX)
		return -ENOMEM;
	polled[n_watches] = (struct pollfd){ .fd = fd };
	watch_fill(n_watches++, events, data, fn);
	return 0;
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	nfds_t i = place_of(fd);

	(void)p;
	if (i == n_watches)
		return -EBADF;
	watch_fill(i, events, data, fn);
	return 0;
}

/* The last one takes the place; what was reported for it is kept. */
static int32_t dispatch_del(int32_t fd)
{
	nfds_t i = place_of(fd);

	if (i == n_watches)
		return -EBADF;
	n_watches--;
	polled[i] = polled[n_watches];
	watches[i] = watches[n_watches];
	return 0;
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	(void)p;
	if (n_jobs == JOBS_MAX)
		return -ENOMEM;
	jobs[n_jobs++] = (struct job){ fn, data };
	return 0;
}

static void loop_attach(qb_ipcs_service_t *service)
{
	struct qb_ipcs_poll_handlers handlers = {
		.job_add = job_add,
		.dispatch_add = dispatch_add,
		.dispatch_mod = dispatch_mod,
		.dispatch_del = dispatch_del,
	};

	qb_ipcs_poll_handlers_set(service, &handlers);
}

static void loop_watch(int fd, qb_ipcs_dispatch_fn_t fn)
{
	int r = dispatch_add(QB_LOOP_HIGH, fd, POLLIN, NULL, fn);

	if (r < 0)
		bench_die("watch", r);
}

/* Backwards, so that one which takes the place of another has had its turn. */
static void dispatch_ready(void)
{
	for (nfds_t i = n_watches; i-- > 0;) {
		struct pollfd p;

		if (i >= n_watches || !polled[i].revents)
			continue;
		p = polled[i];
		polled[i].revents = 0;
		if (watches[i].fn(p.fd, p.revents, watches[i].data) < 0)
			dispatch_del(p.fd);
	}
}

/* Those that are there now. */
static void jobs_run(void)
{
	size_t n = n_jobs;

	for (size_t i = 0; i < n; i++)
		jobs[i].fn(jobs[i].data);
	n_jobs -= n;
	memmove(jobs, jobs + n, n_jobs * sizeof(jobs[0]));
}

static void loop_run(void)
{
	while (!stopped) {
		if (poll(polled, n_watches, n_jobs ? 0 : -1) < 0 && errno != EINTR)
			bench_die("poll", errno);
		dispatch_ready();
		jobs_run();
	}
}

static void loop_stop(void)
{
	stopped = true;
}

static void nothing(void)
{
}

const struct bench_loop bench_loop_poll = {
	nothing, loop_attach, loop_watch, loop_run, loop_stop, nothing,
};
