/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A member of a closed process group: waits until all have joined, sends its messages
 * while it takes those of all, and prints every delivery and every change of membership
 * from the moment when all were there. With agreed order each member prints the same.
 *
 * It ends when one member has been lost, and all messages of the others are there. A
 * member that is to be lost sends until it is killed.
 *
 * usage: cpg-member MEMBERS COUNT
 *	COUNT 0: to be lost
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>

enum {
	SMALL = 200,	    /* bytes of most messages */
	LARGE = 100 * 1000, /* of some: more than corosync sends at once */
	ZERO_COPY = 20 * 1000,
	LARGE_EVERY = 50,
	ZERO_COPY_EVERY = 70,
	MEMBERS_MAX = 8,
};

struct message {
	uint32_t number; /* from 1, of its sender */
	uint8_t body[];	 /* each byte says the number */
};

static cpg_handle_t handle;
static unsigned int members_wanted;
static uint32_t count;
static bool all_joined;
static uint32_t lost; /* pid of the member that was killed */
static struct {
	uint32_t pid, last;
} senders[MEMBERS_MAX];

static void fail(const char *what, int n)
{
	printf("%s: %d\n", what, n);
	exit(EXIT_FAILURE);
}

static uint32_t *last_of(uint32_t pid)
{
	for (int i = 0; i < MEMBERS_MAX; i++) {
		if (!senders[i].pid)
			senders[i].pid = pid;
		if (senders[i].pid == pid)
			return &senders[i].last;
	}
	fail("unknown sender", (int)pid);
	return NULL;
}

/*
 * The others' messages are complete, and so is ours; of the lost one whatever came. All
 * members are there at the same point of the order, and print nothing behind it.
 */
static bool complete(void)
{
	unsigned int n = 0;

	for (int i = 0; i < MEMBERS_MAX && senders[i].pid; i++)
		n += senders[i].pid != lost && senders[i].last == count;
	return lost && n == members_wanted - 1;
}

static void on_deliver(cpg_handle_t h, const struct cpg_name *group, uint32_t node,
		       uint32_t pid, void *data, size_t size)
{
	const struct message *m = data;
	uint32_t *last = last_of(pid);

	if (complete())
		return;
	if (m->number != ++*last)
		fail("out of order", (int)m->number);
	for (size_t i = 0; i < size - sizeof(*m); i++)
		if (m->body[i] != (uint8_t)m->number)
			fail("damaged", (int)m->number);
	printf("from %" PRIu32 ": %" PRIu32 ", %zu bytes\n", pid, m->number, size);
}

static void on_change(cpg_handle_t h, const struct cpg_name *group,
		      const struct cpg_address *members, size_t n_members,
		      const struct cpg_address *left, size_t n_left,
		      const struct cpg_address *joined, size_t n_joined)
{
	if (n_members == members_wanted)
		all_joined = true;
	if (!all_joined || complete())
		return;
	printf("%zu members\n", n_members);
	for (size_t i = 0; i < n_left; i++) {
		printf("left: %" PRIu32 ", reason %" PRIu32 "\n", left[i].pid, left[i].reason);
		if (left[i].reason == CPG_REASON_PROCDOWN)
			lost = left[i].pid;
	}
}

static size_t size_of(uint32_t number)
{
	if (number % LARGE_EVERY == 0)
		return LARGE;
	return number % ZERO_COPY_EVERY == 0 ? ZERO_COPY : SMALL;
}

static cs_error_t message_send(uint32_t number)
{
	static uint8_t body[LARGE];
	size_t size = size_of(number);
	struct iovec iov[2] = { { &number, sizeof(number) }, { body, size } };
	struct message *m;
	cs_error_t e;

	if (size != ZERO_COPY) {
		memset(body, (int)number, size);
		return cpg_mcast_joined(handle, CPG_TYPE_AGREED, iov, 2);
	}
	e = cpg_zcb_alloc(handle, sizeof(*m) + size, (void **)&m);
	if (e != CS_OK)
		return e;
	m->number = number;
	memset(m->body, (int)number, size);
	e = cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, m, sizeof(*m) + size);
	cpg_zcb_free(handle, m);
	return e;
}

static void dispatch(int timeout_ms)
{
	struct pollfd p = { .events = POLLIN };
	cs_error_t e;

	cpg_fd_get(handle, &p.fd);
	if (poll(&p, 1, timeout_ms) < 0 && errno != EINTR)
		fail("poll", errno);
	e = cpg_dispatch(handle, CS_DISPATCH_ALL);
	if (e != CS_OK && e != CS_ERR_TRY_AGAIN)
		fail("dispatch", (int)e);
}

int main(int argc, char **argv)
{
	cpg_callbacks_t callbacks = { on_deliver, on_change };
	struct cpg_name group = { .length = 5, .value = "check" };
	uint32_t sent = 0;
	cs_error_t e;

	if (argc != 3)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	members_wanted = (unsigned int)atoi(argv[1]);
	count = (uint32_t)atoi(argv[2]);
	e = cpg_initialize(&handle, &callbacks);
	if (e != CS_OK)
		fail("initialize", (int)e);
	while ((e = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN)
		dispatch(100);
	if (e != CS_OK)
		fail("join", (int)e);
	while (!complete()) {
		bool more = all_joined && (!count || sent < count);

		e = more ? message_send(sent + 1) : CS_OK;
		if (e != CS_OK && e != CS_ERR_TRY_AGAIN)
			fail("send", (int)e);
		if (more && e == CS_OK)
			sent++;
		dispatch(more && e == CS_OK ? 0 : 10);
	}
	e = cpg_finalize(handle);
	return e == CS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
