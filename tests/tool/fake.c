/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/tool/fake.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_common.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

static struct sockaddr_un address_of(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path + 1, name, strlen(name));
	return a;
}

int fake_client(const char *name)
{
	struct sockaddr_un a = address_of(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

struct qbi_hello fake_hello(uint32_t abilities)
{
	return (struct qbi_hello){
		.id = QBI_AUTHENTICATE,
		.mark = QBI_WIRE_MARK,
		.size = sizeof(struct qbi_hello),
		.version = 1,
		.max_msg_size = QBI_MIN_MSG_SIZE,
		.abilities = abilities,
	};
}

void fake_send(int fd, const void *data, size_t size)
{
	ck_assert_int_eq(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

uint8_t *fake_read_to_end(int fd, size_t *ret_size)
{
	enum { ROOM = 1 << 20 };
	uint8_t *all = malloc(ROOM);
	size_t size = 0;
	ssize_t n = 1;

	ck_assert_ptr_nonnull(all);
	while (n > 0) {
		ck_assert(fd_readable_within(fd, deadline_ms()));
		n = recv(fd, all + size, ROOM - size, 0);
		/* Of what was sent and not read the kernel tells at the end. */
		ck_assert(n >= 0 || errno == ECONNRESET);
		if (n > 0)
			size += (size_t)n;
	}
	*ret_size = size;
	return all;
}

/* -- Server ---------------------------------------------------------------------- */

struct qbi_welcome fake_welcome(uint32_t abilities)
{
	return (struct qbi_welcome){
		.id = QBI_AUTHENTICATE,
		.mark = QBI_WIRE_MARK,
		.size = sizeof(struct qbi_welcome),
		.version = 1,
		.abilities = abilities,
		.type = QB_IPC_SHM,
		.max_msg_size = QBI_MIN_MSG_SIZE,
	};
}

static int listener_open(struct fake_server *s, int backlog)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unique_name(s->name, sizeof(s->name));
	a = address_of(s->name);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void client_answer(int fd, const void *answer, size_t size, unsigned int n_fds)
{
	struct iovec iov = { (void *)(uintptr_t)answer, size };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 8)];
	} control = { .buf = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	char hello[sizeof(struct qbi_hello)];
	struct cmsghdr *cmsg;
	unsigned int i;

	if (recv(fd, hello, sizeof(hello), MSG_WAITALL) != (ssize_t)sizeof(hello) || !size)
		return;
	if (n_fds) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cmsg = CMSG_FIRSTHDR(&m);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(fd));
	}
	(void)sendmsg(fd, &m, MSG_NOSIGNAL);
}

static void client_serve(int listener, const void *answer, size_t size, unsigned int n_fds)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		_exit(1);
	client_answer(fd, answer, size, n_fds);
	close(fd);
}

void fake_server_start(struct fake_server *s, const void *answer, size_t size,
		       unsigned int n_fds)
{
	int listener = listener_open(s, 8);

	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	while (s->pid == 0)
		client_serve(listener, answer, size, n_fds);
	close(listener);
}

void fake_server_start_each(struct fake_server *s, const void *answers, size_t stride,
			    const size_t *sizes, size_t n, bool apart)
{
	int listener = listener_open(s, 8);
	size_t i = 0;
	pid_t child;

	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	while (s->pid == 0) {
		child = apart ? fork() : 0;
		if (child == 0)
			client_serve(listener, (const char *)answers + i * stride, sizes[i], 0);
		if (child == 0 && apart)
			_exit(0);
		if (child != 0 && waitpid(child, NULL, 0) != child)
			_exit(1);
		i += i + 1 < n;
	}
	close(listener);
}

void fake_server_start_full(struct fake_server *s)
{
	int listener = listener_open(s, 0);
	int fd;

	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0) {
		/* Keep the socket and whom it let in, until the end. */
		for (;;)
			pause();
	}
	fd = fake_client(s->name);
	close(fd); /* closed, but it keeps its place in the queue */
	close(listener);
}

void fake_server_stop(struct fake_server *s)
{
	ck_assert_int_eq(kill(s->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
}
