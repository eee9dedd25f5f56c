/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/adapter.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct registration *registrations;
static char violation[256];
struct adapter_counts adapter_counts;

static void __attribute__((format(printf, 1, 2))) violate(const char *format, ...)
{
	va_list ap;

	if (violation[0])
		return;
	va_start(ap, format);
	vsnprintf(violation, sizeof(violation), format, ap);
	va_end(ap);
}

const char *adapter_violation(void)
{
	return violation;
}

static struct registration *find_live(int fd)
{
	for (struct registration *r = registrations; r; r = r->next)
		if (r->live && r->fd == fd)
			return r;
	return NULL;
}

struct registration *registration_add(enum qb_loop_priority p, int fd, int32_t events,
				      void *data, qb_ipcs_dispatch_fn_t fn)
{
	struct registration *r;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		violate("add of a descriptor that is not open: %d", fd);
		return NULL;
	}
	if (find_live(fd))
		violate("add of a descriptor that is in the loop: %d", fd);
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	*r = (struct registration){
		.next = registrations,
		.fd = fd,
		.live = true,
		.ino = st.st_ino,
		.events = events,
		.priority = p,
		.data = data,
		.fn = fn,
	};
	registrations = r;
	adapter_counts.live++;
	return r;
}

struct registration *registration_find(int fd, const char *what)
{
	struct registration *r = find_live(fd);
	struct stat st;

	if (!r)
		violate("%s of a descriptor that is not in the loop: %d", what, fd);
	else if (fstat(fd, &st) < 0 || st.st_ino != r->ino)
		violate("%s after the descriptor was closed: %d", what, fd);
	return r;
}

void registration_end(struct registration *r)
{
	r->live = false;
	adapter_counts.live--;
}

struct registration *registration_first(void)
{
	return registrations;
}

int32_t registration_dispatch(struct registration *r, int32_t revents)
{
	int32_t result;

	if (!r->live) {
		violate("dispatch of a descriptor that left the loop: %d", r->fd);
		return -1;
	}
	adapter_counts.dispatches++;
	result = r->fn(r->fd, revents, r->data);
	if (result > 0)
		violate("a dispatch function returned %d", result);
	if (result != 0 && r->live)
		violate("a dispatch function returned %d and left its descriptor in", result);
	return result;
}

void registration_audit(void)
{
	struct registration **link = &registrations;

	while (*link) {
		struct registration *r = *link;
		struct stat st;

		if (!r->live) {
			*link = r->next;
			free(r);
			continue;
		}
		if (fstat(r->fd, &st) < 0 || st.st_ino != r->ino)
			violate("closed while in the loop: %d", r->fd);
		link = &r->next;
	}
}

void registration_clear(void)
{
	for (struct registration *r = registrations; r; r = r->next)
		if (r->live)
			violate("left in the loop at the end: %d", r->fd);
	while (registrations) {
		struct registration *r = registrations;

		registrations = r->next;
		free(r);
	}
	adapter_counts.live = 0;
}
