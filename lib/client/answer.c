/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/answer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/busy-poll.h"
#include "base/foreign.h"
#include "base/unfinished.h"
#include "base/util.h"

void qbi_answer_release(struct qbi_answer *a)
{
	while (a->n_fds > 0)
		qbi_close_foreign(a->fds[--a->n_fds]);
}

/* Keep what there is a place for. */
static void answer_take_fds(struct qbi_answer *a, struct qbi_foreign *came)
{
	size_t n = 0;

	while (n < came->n && a->n_fds < QBI_REPLY_FDS_MAX)
		a->fds[a->n_fds++] = came->fds[n++];
	if (n == came->n)
		return;
	a->too_many_fds = true;
	qbi_foreign_close(came->fds + n, came->n - n);
}

/* An attacker may trick another process into writing to the stream: all parts of an answer
 * must come from one sender, so it cannot pass off its own bytes as that process's. */
static void answer_take_server(struct qbi_answer *a, const struct ucred *who)
{
	if (a->have_server && memcmp(who, &a->server, sizeof(*who)) != 0)
		a->two_servers = true;
	a->server = *who;
	a->have_server = true;
}

/*
 * If no credentials came because a sandbox refuses to ask for them, the process that made
 * the listening socket counts as the server. If we have asked for them, an answer without
 * credentials is invalid.
 */
static void answer_ask_server(struct qbi_answer *a, int stream)
{
	socklen_t size = sizeof(a->server);
	socklen_t len = sizeof(int);
	int asked = 1;

	if (getsockopt(stream, SOL_SOCKET, SO_PASSCRED, &asked, &len) == 0 && !asked)
		a->have_server =
			getsockopt(stream, SOL_SOCKET, SO_PEERCRED, &a->server, &size) == 0;
}

/* Read a part. 0 complete; QBI_EMPTY nothing there now; QBI_PARTIAL incomplete; -errno. */
static int answer_read(struct qbi_answer *a, int stream)
{
	struct iovec iov = { (char *)&a->welcome + a->size, sizeof(a->welcome) - a->size };
	struct qbi_foreign came;
	ssize_t n = qbi_foreign_receive(stream, &iov, 1, MSG_DONTWAIT, NULL, &came);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? QBI_EMPTY : -errno;
	answer_take_fds(a, &came);
	if (came.has_sender)
		answer_take_server(a, &came.sender);
	if (came.cut)
		a->fds_kept_out = true;
	if (n == 0)
		return -ECONNRESET;
	/* Each byte of the rest could bring as many. */
	if (a->too_many_fds)
		return -EBADMSG;
	a->size += (size_t)n;
	if (!a->have_server)
		answer_ask_server(a, stream);
	return a->size < sizeof(a->welcome) ? QBI_PARTIAL : 0;
}

/* As answer_read(), repeated for a short time: a server that is awake answers soon. */
static int answer_busy_poll(struct qbi_answer *a, int stream, struct qbi_busy_poll *busy_poll,
			    uint64_t deadline)
{
	struct qbi_arrivals none;
	struct qbi_spin spin;
	uint64_t now = qbi_now_ns();
	int r = answer_read(a, stream);

	qbi_arrivals_init(&none, QBI_ARRIVALS_OF_RESPONSES);
	qbi_spin_begin(&spin, busy_poll, now, qbi_busy_poll_allowed(busy_poll, &none, now),
		       deadline, true);
	while (r == QBI_EMPTY && now < spin.end && qbi_spin_again(&spin))
		r = answer_read(a, stream);
	return r;
}

int qbi_answer_wait(struct qbi_answer *a, int stream, uint64_t deadline, int cancel_state)
{
	struct qbi_busy_poll busy_poll;
	bool interrupted = false;

	qbi_busy_poll_init(&busy_poll);
	for (;;) {
		struct pollfd p = { .fd = stream, .events = POLLIN };
		int r = answer_busy_poll(a, stream, &busy_poll, deadline);
		int timeout, ready;

		if (r <= 0)
			return r;
		if (r == QBI_PARTIAL) {
			uint64_t soon = qbi_deadline_from_ms(QBI_REST_OF_ANSWER_MS);

			if (deadline == 0 || deadline > soon)
				deadline = soon;
			continue;
		}
		timeout = qbi_deadline_to_poll(deadline);
		if (timeout == 0)
			return interrupted ? -EINTR : -EAGAIN;
		qbi_cancel_as(cancel_state);
		ready = poll(&p, 1, timeout);
		(void)qbi_cancel_hold_back();
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready < 0 && deadline == QBI_UNTIL_SIGNAL) {
			interrupted = true;
			deadline = qbi_deadline_from_ms(QBI_AFTER_SIGNAL_MS);
		}
	}
}

bool qbi_answer_is_native(const struct qbi_answer *a)
{
	return a->welcome.mark == QBI_WIRE_MARK && a->welcome.version > 0;
}

static bool descriptors_are_left(void)
{
	_cleanup_(qbi_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

int qbi_answer_check(const struct qbi_answer *a)
{
	const struct qbi_welcome *w = &a->welcome;
	int r;

	r = qbi_welcome_check(w);
	if (r < 0)
		return r;
	if (w->error != 0)
		return 0;
	if (!a->have_server || a->two_servers)
		return -EBADMSG;
	if (!a->fds_kept_out)
		return 0;
	/* There is room for as many as an answer can have. On libqb's wire it has none. */
	if (a->n_fds >= QBI_REPLY_FDS_MAX || !qbi_answer_is_native(a))
		return -EBADMSG;
	return descriptors_are_left() ? -EACCES : -EMFILE;
}
