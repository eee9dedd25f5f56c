/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/tools.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void working_connect(struct arena *a, struct raw *p)
{
	raw_connect(p, &a->wish);
	raw_call(p, 7, 100);
}

uint64_t arena_slot(const struct arena *a, int which)
{
	return (uint64_t)atomic_load(&a->host->shared->slot[which]);
}

struct request *request_make(int32_t id, int32_t said, size_t size)
{
	struct request *r = calloc(1, size);

	REQUIRE(r);
	r->hdr.id = id;
	r->hdr.size = said;
	return r;
}

static void *thread_flip(void *data)
{
	struct flipping *f = data;

	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		if (f->wide) {
			put_u64(f->at, f->one);
			put_u64(f->at, f->other);
		} else {
			put_u32(f->at, (uint32_t)f->one);
			put_u32(f->at, (uint32_t)f->other);
		}
	}
	return NULL;
}

void flip_begin(struct flipping *f)
{
	atomic_store(&f->stop, false);
	REQUIRE_EQ(pthread_create(&f->thread, NULL, thread_flip, f), 0);
}

void flip_end(struct flipping *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
}

void random_fill(unsigned char *at, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t value = chance();

		memcpy(at + i, &value, 8);
	}
}

int lingering_socket(int *ret_other)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { 1, 60 };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];

	REQUIRE(listener >= 0 && fd >= 0);
	REQUIRE_EQ(bind(listener, (struct sockaddr *)&address, len), 0);
	REQUIRE_EQ(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	REQUIRE_EQ(listen(listener, 1), 0);
	REQUIRE_EQ(connect(fd, (struct sockaddr *)&address, len), 0);
	*ret_other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(*ret_other >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	REQUIRE_EQ(errno, EAGAIN);
	REQUIRE_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}
