/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/conformance/limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

void be(uid_t uid)
{
	if (geteuid() == uid)
		return;
	if (geteuid() != 0)
		ck_assert_int_eq(seteuid(0), 0);
	if (uid != 0)
		ck_assert_int_eq(seteuid(uid), 0);
	/* Else /proc/self is root's. */
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}

bool users_can_be_changed(const char *test)
{
	if (getuid() == 0)
		return true;
	printf("skipped, as it takes root to be several users: %s\n", test);
	return false;
}

/* The parent's, as of fork() the child's. */
static struct qbipc_service_limits wanted;

void prepare_limits(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_limits_set(sv->service, &wanted), 0);
}

struct host *host_with(const struct server_spec *spec,
		       const struct qbipc_service_limits *limits)
{
	struct server_spec with = *spec;

	wanted = *limits;
	wanted.size = sizeof(wanted);
	if (!with.prepare)
		with.prepare = prepare_limits;
	return host_start(&with);
}

struct host *host_with_limits(int variant, const struct qbipc_service_limits *limits)
{
	return host_with(&(struct server_spec){ VARIANT_SPEC(variant) }, limits);
}

void prepare_as_somebody(struct server *sv)
{
	prepare_limits(sv);
	SERVER_REQUIRE_EQ(sv, setuid(SOMEBODY), 0);
	SERVER_REQUIRE_EQ(sv, prctl(PR_SET_DUMPABLE, 1), 0);
}

static int64_t remote_limit(struct server *sv, const int64_t *args)
{
	struct qbipc_service_limits limits;

	memcpy(&limits, sv->shared->blob, sizeof(limits));
	return qbipc_service_limits_set(sv->service, &limits);
}

void host_limit(struct host *h, const struct qbipc_service_limits *limits)
{
	struct qbipc_service_limits with = *limits;

	with.size = sizeof(with);
	memcpy(h->shared->blob, &with, sizeof(with));
	ck_assert_int_eq(host_call(h, remote_limit), 0);
}

static int64_t remote_refusals(struct server *sv, const int64_t *args)
{
	struct qbipc_service_refusals refusals = { .size = sizeof(refusals) };
	int r = qbipc_service_refusals_get(sv->service, &refusals);

	memcpy(sv->shared->blob, &refusals, sizeof(refusals));
	return r;
}

struct qbipc_service_refusals host_refusals(struct host *h)
{
	struct qbipc_service_refusals refusals;

	ck_assert_int_eq(host_call(h, remote_refusals), 0);
	memcpy(&refusals, h->shared->blob, sizeof(refusals));
	return refusals;
}

int raw_connect(struct host *h, uid_t uid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	ck_assert_int_ge(fd, 0);
	memcpy(address.sun_path + 1, h->name, strlen(h->name));
	/* The kernel notes the effective user as of connect(2). */
	be(uid);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	be(getuid());
	ck_assert_int_eq(r, 0);
	return fd;
}

struct hello {
	int32_t id;
	uint32_t mark;
	int32_t size;
	uint32_t version;
	uint32_t max_msg_size;
	uint32_t abilities;
};

void raw_hello(int fd, int variant)
{
	raw_ask(fd, variant, 0);
}

void raw_ask(int fd, int variant, uint32_t abilities)
{
	struct hello hello = { .id = -1,
			       .size = sizeof(hello),
			       .max_msg_size = 12328,
			       .abilities = abilities };

	if (!variants[variant].libqb_wire) {
		hello.mark = 0x31434951;
		hello.version = 1;
	}
	ck_assert_int_eq(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
}

int raw_answer(int fd)
{
	static int32_t answer[12328 / sizeof(int32_t)];
	size_t at = 0;

	while (at < sizeof(answer)) {
		ssize_t n;

		ck_assert(fd_readable_within(fd, deadline_ms()));
		n = recv(fd, (char *)answer + at, sizeof(answer) - at, 0);
		if (n <= 0)
			return ECONNRESET;
		at += (size_t)n;
	}
	return -answer[4];
}

bool raw_is_closed(int fd)
{
	char byte;

	return fd_readable_within(fd, deadline_ms()) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

bool raw_is_open(struct host *h, int fd)
{
	host_call(h, remote_nothing);
	return !fd_readable_within(fd, 0);
}

qb_ipcc_connection_t *connect_as(struct host *h, uid_t uid, size_t max_msg_size)
{
	qb_ipcc_connection_t *c;
	int error;

	be(uid);
	errno = 0;
	c = qb_ipcc_connect(h->name, max_msg_size);
	error = errno;
	be(getuid());
	errno = error;
	return c;
}
