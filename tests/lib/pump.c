/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/pump.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

enum { ENTRIES_MAX = 1024, JOBS_MAX = 1024 };

struct entry {
	int fd;
	int32_t events;
	void *data;
	qb_ipcs_dispatch_fn_t fn;
	unsigned int number; /* of the addition: the same fd may be another's by now */
};

static struct entry entries[ENTRIES_MAX];
static unsigned int entry_count;
static unsigned int additions;

static struct {
	void *data;
	qb_loop_job_dispatch_fn fn;
} jobs[JOBS_MAX];
static unsigned int job_count;

static const char *violation;
void (*pump_around)(bool enter);

static struct entry *entry_find(int fd)
{
	for (unsigned int i = 0; i < entry_count; i++)
		if (entries[i].fd == fd)
			return &entries[i];
	return NULL;
}

static void entry_remove(struct entry *e)
{
	*e = entries[--entry_count];
}

static int32_t pump_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	if (entry_find(fd))
		violation = "a descriptor was added twice";
	if (entry_count == ENTRIES_MAX)
		return -ENOMEM;
	entries[entry_count++] = (struct entry){ fd, events, data, fn, ++additions };
	return 0;
}

static int32_t pump_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	struct entry *e = entry_find(fd);

	if (!e) {
		violation = "a descriptor was changed that is not there";
		return -EBADF;
	}
	e->events = events;
	e->data = data;
	e->fn = fn;
	return 0;
}

static int32_t pump_del(int32_t fd)
{
	struct entry *e = entry_find(fd);

	if (!e) {
		violation = "a descriptor was removed that is not there";
		return -EBADF;
	}
	entry_remove(e);
	return 0;
}

static int32_t pump_job(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	if (job_count == JOBS_MAX)
		return -ENOMEM;
	jobs[job_count].data = data;
	jobs[job_count++].fn = fn;
	return 0;
}

const struct qb_ipcs_poll_handlers pump_handlers = {
	.job_add = pump_job,
	.dispatch_add = pump_add,
	.dispatch_mod = pump_mod,
	.dispatch_del = pump_del,
};

static void around(bool enter)
{
	if (pump_around)
		pump_around(enter);
}

static void entry_dispatch(const struct entry *was, int32_t revents)
{
	struct entry *e = entry_find(was->fd);
	int32_t r;

	if (!e || e->number != was->number)
		return;
	around(true);
	r = was->fn(was->fd, revents, e->data);
	around(false);
	e = entry_find(was->fd);
	if (r < 0 && e && e->number == was->number)
		entry_remove(e);
}

/* Jobs that are added by these run in the next turn. */
static unsigned int jobs_run(void)
{
	unsigned int n = job_count;

	for (unsigned int i = 0; i < n; i++) {
		around(true);
		jobs[i].fn(jobs[i].data);
		around(false);
	}
	job_count -= n;
	memmove(jobs, jobs + n, job_count * sizeof(jobs[0]));
	return n;
}

bool pump_turn(void)
{
	static struct entry were[ENTRIES_MAX];
	static struct pollfd fds[ENTRIES_MAX];
	unsigned int n = entry_count;
	int ready;

	memcpy(were, entries, n * sizeof(were[0]));
	for (unsigned int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = were[i].fd, .events = (short)were[i].events };
	ready = poll(fds, n, 0);
	for (unsigned int i = 0; i < n; i++) {
		if (fds[i].revents & POLLNVAL)
			violation = "a descriptor was closed while in the loop";
		if (fds[i].revents)
			entry_dispatch(&were[i], fds[i].revents);
	}
	return jobs_run() > 0 || ready > 0;
}

bool pump_settle(unsigned int most)
{
	while (most-- > 0)
		if (!pump_turn())
			return true;
	return false;
}

unsigned int pump_count(void)
{
	return entry_count;
}

const char *pump_violation(void)
{
	return violation;
}
