/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/end.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/reclaim.h"
#include "base/socket.h"
#include "base/util.h"

struct end {
	struct qbi_reclaim reclaim; /* comes first: it is freed by this address */
	const struct qbi_server_ops *ops;
	enum qbi_parting how;
	_Alignas(max_align_t) unsigned char state[];
};

static struct end *end_of(void *state)
{
	return qbi_container_of(state, struct end, state);
}

void *qbi_end_new(const struct qbi_server_ops *ops)
{
	struct end *e = calloc(1, sizeof(*e) + ops->state_size);

	if (!e)
		return NULL;
	e->ops = ops;
	return e->state;
}

void qbi_end_clear(void *state)
{
	struct end *e = end_of(state);

	e->ops->close(state, QBI_PART_AT_ONCE);
	memset(state, 0, e->ops->state_size);
}

void qbi_end_free(void *state, enum qbi_parting how)
{
	if (!state)
		return;
	end_of(state)->ops->close(state, how);
	free(end_of(state));
}

/* In the thread. What is left to close then touches nothing that the client shares. */
static int end_reclaim(struct qbi_reclaim *r)
{
	struct end *e = qbi_container_of(r, struct end, reclaim);

	if (e->ops->withdraw(e->state, e->how) == QBI_AGAIN)
		return QBI_AGAIN;
	e->ops->close(e->state, QBI_PART_COPY);
	return 0;
}

void qbi_end_hand_over(void *state, enum qbi_parting how, uid_t uid, uint64_t memory)
{
	struct end *e;
	int r;

	if (!state)
		return;
	e = end_of(state);
	if (!e->ops->withdraw) {
		qbi_end_free(state, how);
		return;
	}
	if (e->ops->leave)
		e->ops->leave(state, how);
	e->how = how;
	r = qbi_reclaim_add(&e->reclaim, end_reclaim, memory, uid);
	if (r == 0)
		return;
	qbi_log_rarely(
		LOG_WARNING,
		"no thread for what clients can hold up (%s): their shared memory is not "
		"taken from them when they leave",
		strerror(-r));
	(void)e->ops->withdraw(state, QBI_PART_UNPUNCHED);
	qbi_end_free(state, QBI_PART_COPY);
}

/* -- The stream --------------------------------------------------------------- */

/*
 * With so much waiting for the thread of a user, a stream that is cheap is emptied here: the
 * thread may have no CPU, or be held up, and each stream that waits is a descriptor.
 */
#define WAITING_MANY 64
/* What emptying it may cost. */
#define CHEAP_NS QBI_NS_PER_MS
/* What waits for one thread never holds more than this part of RLIMIT_NOFILE. */
#define DESCRIPTORS_PART 8

struct stream_end {
	struct qbi_reclaim reclaim; /* as above */
	int stream;
};

static void stream_discard(int stream)
{
	(void)shutdown(stream, SHUT_RDWR);
	(void)qbi_close(stream);
}

static int stream_reclaim(struct qbi_reclaim *r)
{
	stream_discard(qbi_container_of(r, struct stream_end, reclaim)->stream);
	return 0;
}

static bool stream_hand_over(int stream, uid_t uid)
{
	struct stream_end *e = calloc(1, sizeof(*e));

	if (!e)
		return false;
	e->stream = stream;
	if (qbi_reclaim_add(&e->reclaim, stream_reclaim, 0, uid) == 0)
		return true;
	free(e);
	return false;
}

/* It is shut down. True: nothing is left in it. */
static bool stream_is_emptied(int stream)
{
	uint64_t until = qbi_cpu_ns() + CHEAP_NS;
	char junk[256];
	ssize_t n;

	do
		n = qbi_socket_receive(stream, junk, sizeof(junk));
	while (n > 0 && qbi_cpu_ns() < until);
	return n <= 0;
}

/* May it wait for the thread? */
static bool stream_may_wait(int stream, uid_t uid, bool costly)
{
	uint32_t waiting = qbi_reclaim_pending(uid).in_all;

	if (waiting >= qbi_descriptors_allowed() / DESCRIPTORS_PART)
		return false;
	return costly || waiting < WAITING_MANY || !stream_is_emptied(stream);
}

void qbi_end_stream(int stream, uid_t uid, bool costly)
{
	if (stream < 0)
		return;
	/* The client is to notice it now, and to send no more. */
	if (!costly)
		(void)shutdown(stream, SHUT_RDWR);
	if ((!costly && !qbi_socket_holds_bytes(stream)) ||
	    !stream_may_wait(stream, uid, costly) || !stream_hand_over(stream, uid))
		stream_discard(stream);
}
