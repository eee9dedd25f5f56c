/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/server-awake.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/cpus.h"

#define SLICE_NS 100000

void qbi_server_awake_init(struct qbi_server_awake *a, const struct qbi_server_spec *spec)
{
	a->shared = spec->shared;
	a->asleep = false;
	a->peer = spec->peer.pid;
	a->noted = 0;
	a->same_cpu = false;
	qbi_arrivals_init(&a->requests, QBI_ARRIVALS_OF_REQUESTS);
	qbi_server_awake_begin(a);
}

void qbi_server_awake_begin(struct qbi_server_awake *a)
{
	a->slice_left = SLICE_NS;
}

bool qbi_server_awake_leave(struct qbi_server_awake *a, const void *end)
{
	if (!a->shared)
		return false;
	qbi_server_forget(a->shared, end);
	a->shared = NULL;
	return true;
}

/* The client does not say when it rang, nor where it runs. */
void qbi_server_awake_woken(struct qbi_server_awake *a)
{
	const struct qbi_busy_poll *busy_poll = &a->shared->busy_poll;

	a->asleep = false;
	if (a->noted != busy_poll->noted) {
		a->noted = busy_poll->noted;
		a->same_cpu = busy_poll->one_cpu && qbi_cpus_is_one_with(a->peer);
	}
	qbi_arrivals_woken(&a->requests, qbi_now_ns(), 0, a->same_cpu);
}

static bool is_readable(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

bool qbi_server_awake_poll(struct qbi_server_awake *a, const void *end, int fd)
{
	struct qbi_busy_poll *busy_poll = &a->shared->busy_poll;
	struct qbi_spin spin;
	uint64_t now, allowed, spent;
	bool found;

	if (!a->slice_left || !qbi_busy_poll_is_on(busy_poll))
		return false;
	now = qbi_now_ns();
	if (!qbi_server_is_alone(a->shared, end, now))
		return false;
	allowed = qbi_busy_poll_allowed(busy_poll, &a->requests, now);
	a->asleep = true;
	if (!allowed) {
		qbi_busy_poll_gave_up(busy_poll, &a->requests, now, now);
		return false;
	}
	/* Each check is a system call, and holds the lock that the sender needs: so yield. */
	qbi_spin_begin(&spin, busy_poll, now, allowed, now + a->slice_left,
		       a->same_cpu || !busy_poll->rare);
	do
		found = is_readable(fd);
	while (!found && qbi_spin_again(&spin));
	spent = spin.now - now;
	a->slice_left -= spent < a->slice_left ? spent : a->slice_left;
	a->asleep = !found;
	if (found)
		qbi_arrivals_note(&a->requests, spin.now - spin.start);
	else
		qbi_busy_poll_gave_up(busy_poll, &a->requests, spin.start, spin.now);
	return found;
}
