/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handshake, descriptors, the end. */
#include "tests/hostile/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/report.h"

void raw_address(struct sockaddr_un *address, const char *name)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "%s", name);
}

int raw_dial(const char *service)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	REQUIRE(fd >= 0);
	raw_address(&address, service);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

struct wire_hello raw_hello(bool native, uint32_t max_msg_size)
{
	return (struct wire_hello){
		.id = WIRE_AUTHENTICATE,
		.size = sizeof(struct wire_hello),
		.mark = native ? WIRE_MARK : 0,
		.version = native ? WIRE_VERSION : 0,
		.max_msg_size = max_msg_size,
	};
}

static void fds_take(struct raw *p, struct msghdr *m)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(m); cmsg; cmsg = CMSG_NXTHDR(m, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		REQUIRE(p->n_fds + n <= RAW_FDS);
		memcpy(&p->fds[p->n_fds], CMSG_DATA(cmsg), n * sizeof(int));
		p->n_fds += (unsigned int)n;
	}
}

int raw_welcome(struct raw *p)
{
	size_t done = 0;

	while (done < sizeof(p->welcome)) {
		struct iovec iov = { (char *)&p->welcome + done, sizeof(p->welcome) - done };
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int) * RAW_FDS)];
		} control;
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof(control.buf) };
		ssize_t n;

		if (!fd_readable_within(p->stream, deadline_ms()))
			return -ETIMEDOUT;
		n = recvmsg(p->stream, &m, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		fds_take(p, &m);
		done += (size_t)n;
	}
	return p->welcome.error;
}

void raw_open(struct raw *p)
{
	p->native = p->welcome.mark == WIRE_MARK;
	p->type = p->welcome.type;
	p->max_msg_size = p->welcome.max_msg_size;
	if (p->native && p->type == WIRE_MEMORY)
		native_memory_open(p);
	else if (p->native)
		native_sockets_open(p);
	else if (p->type == WIRE_MEMORY)
		qb_memory_open(p);
	else
		qb_sockets_open(p);
}

struct wire_hello raw_join_hello(uint64_t number)
{
	return (struct wire_hello){
		.id = WIRE_AUTHENTICATE,
		.size = sizeof(struct wire_hello),
		.mark = WIRE_MARK,
		.version = (uint32_t)number,
		.max_msg_size = (uint32_t)(number >> 32),
		.abilities = ABILITY_BELL,
	};
}

int raw_join(const char *service, uint64_t number)
{
	struct wire_hello hello = raw_join_hello(number);
	int fd = raw_dial(service);

	if (fd >= 0)
		REQUIRE_EQ(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	return fd;
}

void raw_bell(struct raw *p, const char *service)
{
	int fd;

	if (!p->native || p->type != WIRE_MEMORY)
		return;
	REQUIRE_EQ(p->n_fds, NATIVE_BELL_FD);
	fd = raw_join(service, p->welcome.opaque);
	REQUIRE(fd >= 0);
	p->fds[p->n_fds++] = fd;
}

unsigned int raw_first_socket(const struct raw *p)
{
	return p->type == WIRE_MEMORY ? NATIVE_BELL_FD : NATIVE_CALL_FD;
}

void raw_begin(struct raw *p, int stream)
{
	memset(p, 0, sizeof(*p));
	p->stream = stream;
	p->response = p->event = -1;
	for (int i = 0; i < CHANNELS; i++)
		p->ring[i].files[0] = p->ring[i].files[1] = -1;
}

int raw_try_connect(struct raw *p, const struct raw_wish *wish)
{
	struct wire_hello hello = raw_hello(wish->native, wish->max_msg_size);
	int r;

	r = raw_dial(wish->service);
	raw_begin(p, r < 0 ? -1 : r);
	if (r < 0)
		return r;
	r = send(p->stream, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ? -errno : 0;
	if (r == 0)
		r = raw_welcome(p);
	if (r != 0) {
		raw_hang_up(p);
		return r;
	}
	raw_open(p);
	raw_bell(p, wish->service);
	return 0;
}

void raw_connect(struct raw *p, const struct raw_wish *wish)
{
	int r = raw_try_connect(p, wish);

	REQUIRE_MSG(r == 0, "the server refused the raw peer: %s", strerror(-r));
	REQUIRE(p->native == wish->native);
}

static void fd_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void raw_hang_up(struct raw *p)
{
	fd_drop(&p->stream);
	fd_drop(&p->response);
	fd_drop(&p->event);
	for (unsigned int i = 0; i < p->n_fds; i++)
		fd_drop(&p->fds[i]);
	p->n_fds = 0;
	for (int i = 0; i < CHANNELS; i++) {
		fd_drop(&p->ring[i].files[0]);
		fd_drop(&p->ring[i].files[1]);
	}
}

void raw_close(struct raw *p)
{
	raw_hang_up(p);
	if (p->memory)
		munmap(p->memory, p->memory_size);
	if (p->sent)
		munmap(p->sent, p->sent_size);
	for (int i = 0; i < CHANNELS; i++)
		if (!p->native && p->ring[i].words) {
			munmap(p->ring[i].words, QB_HEADER_SIZE + QB_USER_SIZE);
			munmap(p->ring[i].data, p->ring[i].size);
		}
	raw_begin(p, -1);
}

/* Bytes that announce events are nothing to us. */
bool raw_is_dropped(struct raw *p)
{
	char bytes[256];
	ssize_t n;

	do
		n = recv(p->stream, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

void raw_must_be_dropped(struct raw *p)
{
	AWAIT(raw_is_dropped(p));
}

int raw_pass(int socket, const int *fds, unsigned int n, const void *bytes, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 253)];
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *cmsg;

	memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&m);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
	return sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* -- Words: the other side may write them too ---------------------------------- */

void put_u32(unsigned char *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)at, value, __ATOMIC_SEQ_CST);
}

void put_u64(unsigned char *at, uint64_t value)
{
	__atomic_store_n((uint64_t *)(void *)at, value, __ATOMIC_SEQ_CST);
}

uint32_t get_u32(const unsigned char *at)
{
	return __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_SEQ_CST);
}

uint64_t get_u64(const unsigned char *at)
{
	return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_SEQ_CST);
}
