/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that holds the kernel's locks of what it shares with the server while it leaves:
 * that of a file, in a write whose bytes do not come, and that of a directory, in a listing
 * for which there is no room yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <qbipc/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

enum { CONNECTIONS = 16, PAGE = 4096 };

/* A page that is not there until it is let go, and a thread that waits for it. */
struct hold {
	int faults;
	void *page;
	int fd; /* whose lock is held meanwhile */
	bool directory;
	pthread_t thread;
};

/* False: this kernel does not do it. */
static bool hold_open(struct hold *h)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	h->faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (h->faults < 0)
		return false;
	h->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(h->page != MAP_FAILED);
	range.range.start = (uintptr_t)h->page;
	range.range.len = PAGE;
	return ioctl(h->faults, UFFDIO_API, &api) == 0 &&
	       ioctl(h->faults, UFFDIO_REGISTER, &range) == 0;
}

static void *thread_hold(void *data)
{
	struct hold *h = data;

	if (h->directory)
		REQUIRE(syscall(SYS_getdents64, h->fd, h->page, (size_t)PAGE) > 0);
	else
		REQUIRE_EQ(pwrite(h->fd, h->page, 1, 100), 1);
	return NULL;
}

static void hold_begin(struct hold *h)
{
	struct pollfd fault = { .fd = h->faults, .events = POLLIN };

	REQUIRE_EQ(pthread_create(&h->thread, NULL, thread_hold, h), 0);
	REQUIRE_EQ(poll(&fault, 1, (int)deadline_ms()), 1);
}

static void hold_end(struct hold *h)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)h->page, PAGE } };

	REQUIRE_EQ(ioctl(h->faults, UFFDIO_ZEROPAGE, &zero), 0);
	REQUIRE_EQ(pthread_join(h->thread, NULL), 0);
	munmap(h->page, PAGE);
	close(h->faults);
	close(h->fd);
}

/* What the @i-th connection holds: the memory; or data, header and directory in turn. */
static void lock_choose(struct hold *h, const struct raw *p, unsigned int i)
{
	char path[sizeof(p->ring[REQUEST].path[0])];

	h->directory = !p->native && i % 3 == 2;
	if (p->native) {
		h->fd = fcntl(p->fds[NATIVE_COMMON_FD], F_DUPFD_CLOEXEC, 0);
	} else if (h->directory) {
		strcpy(path, p->ring[REQUEST].path[0]);
		*strrchr(path, '/') = '\0';
		h->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		h->fd = fcntl(p->ring[REQUEST].files[i % 3 == 0], F_DUPFD_CLOEXEC, 0);
	}
	REQUIRE(h->fd >= 0);
}

static void few_connections(struct server *sv)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits),
					       .connections_per_uid = CONNECTIONS };

	SERVER_REQUIRE(sv, qbipc_service_limits_set(sv->service, &limits) == 0);
}

/* Another one gets in again. */
static bool is_let_in(struct arena *a)
{
	struct raw p;
	int r = raw_try_connect(&p, &a->wish);

	REQUIRE(r == 0 || r == -EDQUOT);
	if (r == 0)
		raw_close(&p);
	return r == 0;
}

/* It holds up nobody but itself: its quota is used up until it lets go. */
ATTACK(locks_of_files_held_at_the_end, .as_root = true, .needs = "userfaultfd(2)",
       .prepare = few_connections)
{
	static struct hold holds[CONNECTIONS];
	static struct raw peers[CONNECTIONS];

	for (int i = 0; i < CONNECTIONS; i++) {
		if (!hold_open(&holds[i])) {
			printf("# skip: userfaultfd(2): %s\n", strerror(errno));
			return;
		}
	}
	become(ATTACKER_UID);
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		working_connect(a, &peers[i]);
		lock_choose(&holds[i], &peers[i], i);
		hold_begin(&holds[i]);
	}
	for (int i = 0; i < CONNECTIONS; i++)
		raw_hang_up(&peers[i]);
	arena_honest_goes_on(a);
	/* The place of who has just left may be taken at once; nobody gets two of them. */
	AWAIT(!is_let_in(a));
	arena_honest_goes_on(a);
	REQUIRE(!is_let_in(a));
	for (int i = 0; i < CONNECTIONS; i++)
		hold_end(&holds[i]);
	AWAIT(is_let_in(a));
	for (int i = 0; i < CONNECTIONS; i++)
		raw_close(&peers[i]);
}

int main(void)
{
	Suite *s = suite_create("hostile: locks of shared memory held");
	TCase *tc = tcase_new(s, "held");

	add_attack(tc, locks_of_files_held_at_the_end, ON_MEMORY);
	return arena_main(s);
}
