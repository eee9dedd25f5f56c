/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends of one ring in one process, over real files, and a third mapping of the
 * same files through which a test plays the peer that writes what it likes.
 */
#ifndef TEST_RING_PAIR_H
#define TEST_RING_PAIR_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/clock.h"
#include "base/util.h"
#include "ring/qbring-wire.h"
#include "ring/qbring.h"

enum { PAIR_MAX = 12328 };

struct ring_pair {
	struct qbi_shm_dir dir;
	struct qbi_qbring server;
	struct qbi_qbring client;
	int fd[2]; /* header and data, for truncation */
	size_t size[2];
	struct qbi_qbring_header *head; /* the peer's own mapping */
	uint32_t *data;
};

static inline size_t page_round(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

/* Of the data: as many as whole pages have. */
static inline uint32_t pair_words(const struct ring_pair *p)
{
	return (uint32_t)(p->size[1] / sizeof(uint32_t));
}

static inline struct qbi_owner owner_nobody_else(void)
{
	return (struct qbi_owner){ (uid_t)-1, (gid_t)-1, 0600 };
}

static inline struct qbi_peer_cred cred_self(void)
{
	return (struct qbi_peer_cred){ getpid(), geteuid(), getegid() };
}

static inline void *pair_map_file(struct ring_pair *p, int i, const char *suffix)
{
	char path[512];
	struct stat st;
	void *m;

	snprintf(path, sizeof(path), "%s%s", qbi_qbring_prefix(&p->server), suffix);
	p->fd[i] = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(p->fd[i], 0);
	ck_assert_int_eq(fstat(p->fd[i], &st), 0);
	p->size[i] = (size_t)st.st_size;
	m = mmap(NULL, p->size[i], PROT_READ | PROT_WRITE, MAP_SHARED, p->fd[i], 0);
	ck_assert_ptr_ne(m, MAP_FAILED);
	return m;
}

static inline void pair_open(struct ring_pair *p, uint32_t max)
{
	struct qbi_owner owner = owner_nobody_else();
	struct qbi_peer_cred self = cred_self();

	*p = (struct ring_pair){ .dir = QBI_SHM_DIR_INIT,
				 .server = QBI_QBRING_INIT,
				 .client = QBI_QBRING_INIT };
	ck_assert_int_eq(qbi_shm_dir_create(&p->dir, getpid(), 1), 0);
	ck_assert_int_eq(qbi_qbring_create(&p->server, &p->dir, "request", "pair", max, true,
					   &owner, NULL),
			 0);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&p->dir, &owner), 0);
	ck_assert_int_eq(qbi_qbring_open(&p->client, qbi_qbring_prefix(&p->server), max, &self),
			 0);
	p->head = pair_map_file(p, 0, "-header");
	p->data = pair_map_file(p, 1, "-data");
}

static inline void pair_close(struct ring_pair *p)
{
	munmap(p->head, p->size[0]);
	munmap(p->data, p->size[1]);
	close(p->fd[0]);
	close(p->fd[1]);
	qbi_qbring_close(&p->client);
	qbi_qbring_close(&p->server);
	qbi_shm_dir_remove(&p->dir);
}

static inline int put_bytes(struct qbi_qbring *r, const void *data, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)data, n };

	return qbi_qbring_put(r, &iov, 1, n);
}

/* Contents that show which message and which byte they are. */
static inline void fill_pattern(unsigned char *buf, size_t n, uint32_t seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static inline int put_pattern(struct qbi_qbring *r, size_t n, uint32_t seed)
{
	unsigned char buf[PAIR_MAX + 4096];

	ck_assert_uint_le(n, sizeof(buf));
	fill_pattern(buf, n, seed);
	return put_bytes(r, buf, n);
}

static inline void take_pattern(struct qbi_qbring *r, size_t n, uint32_t seed)
{
	unsigned char buf[PAIR_MAX + 4096], expected[PAIR_MAX + 4096];
	size_t got = SIZE_MAX;

	fill_pattern(expected, n, seed);
	ck_assert_int_eq(qbi_qbring_take(r, buf, sizeof(buf), &got), 0);
	ck_assert_uint_eq(got, n);
	ck_assert_mem_eq(buf, expected, n);
}

#endif
