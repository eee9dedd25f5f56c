/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making, opening and closing one end; messages are in qbring-traffic.c. */
#include "ring/qbring.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "ring/qbring-wire.h"

/* sem_init(3) writes what a peer's sem_wait(3) expects; nothing else of it is used. */
_Static_assert(sizeof(sem_t) == sizeof(union qbi_qbring_sem), "glibc's 64-bit sem_t");

/* Bytes of the data file. A message of the maximum fits an empty ring. */
static int ring_data_size(uint32_t max_msg_size, size_t *ret_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)max_msg_size + QBI_QBRING_MARGIN + 1;

	size = (size + page - 1) / page * page;
	/* On the wire, indexes and sizes in bytes have 32 bits. */
	if (size > INT32_MAX)
		return -EMSGSIZE;
	*ret_size = size;
	return 0;
}

static int ring_map(struct qbi_qbring *r, int header_fd, size_t header_size, int data_fd,
		    size_t data_size)
{
	const struct qbi_mapping_file files[] = {
		{ header_fd, header_size },
		{ data_fd, data_size },
	};
	int err = qbi_mapping_open(&r->map, files, QBI_ARRAY_SIZE(files));

	if (err < 0)
		return err;
	r->head = r->map.part[0];
	r->data = r->map.part[1];
	r->word_size = (uint32_t)(data_size / sizeof(uint32_t));
	return 0;
}

/* No other process has the files yet, but memory can run short. */
static int ring_init_header(struct qbi_qbring *r)
{
	struct qbi_qbring_header *h = r->head;

	qbi_fault_enter(&r->map.guard);
	h->word_size = r->word_size;
	snprintf(h->header_path, sizeof(h->header_path), "%s-header", r->prefix);
	snprintf(h->data_path, sizeof(h->data_path), "%s-data", r->prefix);
	sem_init((sem_t *)(void *)&h->sem, 1, 0);
	atomic_init(&h->ref_count, 1);
	return qbi_fault_leave(&r->map.guard) ? 0 : -ENOSPC;
}

static int ring_create_file(struct qbi_qbring *r, struct qbi_shm_dir *dir, const char *suffix,
			    size_t size, const struct qbi_owner *owner, int *ret_fd)
{
	_cleanup_(qbi_freep) char *path = NULL;

	if (asprintf(&path, "%s%s", r->prefix, suffix) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return qbi_shm_dir_file(dir, strrchr(path, '/') + 1, size, owner, ret_fd);
}

static int ring_create(struct qbi_qbring *r, struct qbi_shm_dir *dir, bool user_data,
		       size_t data_size, const struct qbi_owner *owner)
{
	size_t header_size = QBI_QBRING_HEADER_SIZE + (user_data ? QBI_QBRING_USER_SIZE : 0);
	_cleanup_(qbi_closep) int header_fd = -1;
	_cleanup_(qbi_closep) int data_fd = -1;
	int err;

	err = ring_create_file(r, dir, "-header", header_size, owner, &header_fd);
	if (err == 0)
		err = ring_create_file(r, dir, "-data", data_size, owner, &data_fd);
	if (err == 0)
		err = ring_map(r, header_fd, header_size, data_fd, data_size);
	if (err == 0)
		err = ring_init_header(r);
	return err;
}

int qbi_qbring_create(struct qbi_qbring *r, struct qbi_shm_dir *dir, const char *channel,
		      const char *service, uint32_t max_msg_size, unsigned int flags,
		      const struct qbi_owner *owner, struct qbi_locking *locking)
{
	size_t data_size;
	int err;

	assert(!r->head);
	*r = (struct qbi_qbring)QBI_QBRING_INIT;
	r->map.locking = locking;
	r->map.twice = flags & QBI_QBRING_IN_PLACE;
	err = ring_data_size(max_msg_size, &data_size);
	if (err < 0)
		return err;
	if (strchr(service, '/'))
		return -EINVAL;
	if (asprintf(&r->prefix, "%s/" QBI_SHM_PREFIX "%s-%s", dir->path, channel, service) <
	    0) {
		r->prefix = NULL;
		return -ENOMEM;
	}
	r->max_msg_size = max_msg_size;
	err = ring_create(r, dir, flags & QBI_QBRING_USER_DATA, data_size, owner);
	if (err < 0)
		qbi_qbring_close(r);
	return err;
}

/* The header must match the agreed size. Only a joining end reads the shared positions of
 * both ends, here; afterwards each end uses its own private index. */
static int ring_join(struct qbi_qbring *r)
{
	uint32_t word_size, write, read;

	qbi_fault_enter(&r->map.guard);
	qbi_shared_read(&word_size, &r->head->word_size, sizeof(word_size));
	/* order Q5 (join): alone, the ring was made before its name was sent; or it is
	 * what a parent wrote, and the messages are not for us. */
	write = qbi_shared_load(&r->head->write_pt, memory_order_relaxed);
	read = qbi_shared_load(&r->head->read_pt, memory_order_relaxed);
	if (!qbi_fault_leave(&r->map.guard) || word_size != r->word_size ||
	    write >= r->word_size || read >= r->word_size)
		return -EBADMSG;
	r->write = write;
	r->read = read;
	return 0;
}

int qbi_qbring_resume(struct qbi_qbring *r)
{
	uint32_t before = r->write;
	int err = ring_join(r);

	/* It may have passed the end meanwhile; that cannot be known. */
	r->wrapped |= r->write != before;
	/* What is in use where it lies was taken, although its place is not free. */
	if (r->in_use && r->read == r->in_use_at)
		r->read = r->in_use_next;
	return err;
}

static int ring_open(struct qbi_qbring *r, const char *prefix, size_t data_size,
		     const struct qbi_peer_cred *server)
{
	const size_t header_sizes[] = { QBI_QBRING_HEADER_SIZE,
					QBI_QBRING_HEADER_SIZE + QBI_QBRING_USER_SIZE, 0 };
	const size_t data_sizes[] = { data_size, 0 };
	int err;

	err = qbi_shm_peer_open(&r->file[0], prefix, "-header", header_sizes, server);
	if (err == 0)
		err = qbi_shm_peer_open(&r->file[1], prefix, "-data", data_sizes, server);
	if (err == 0)
		err = ring_map(r, r->file[0].fd, r->file[0].size, r->file[1].fd, data_size);
	r->file[0].fd = qbi_close(r->file[0].fd);
	r->file[1].fd = qbi_close(r->file[1].fd);
	if (err == 0)
		err = ring_join(r);
	return err;
}

int qbi_qbring_open(struct qbi_qbring *r, const char *prefix, uint32_t max_msg_size,
		    const struct qbi_peer_cred *server)
{
	size_t data_size;
	int err;

	assert(!r->head);
	*r = (struct qbi_qbring)QBI_QBRING_INIT;
	err = ring_data_size(max_msg_size, &data_size);
	if (err < 0)
		return err;
	r->prefix = strdup(prefix);
	if (!r->prefix)
		return -ENOMEM;
	r->max_msg_size = max_msg_size;
	err = ring_open(r, prefix, data_size, server);
	if (err < 0)
		qbi_qbring_close(r);
	return err;
}

void qbi_qbring_take_larger(struct qbi_qbring *r)
{
	r->max_msg_size = r->word_size * (uint32_t)sizeof(uint32_t) - QBI_QBRING_MARGIN;
}

int qbi_qbring_punch(struct qbi_qbring *r)
{
	int data = qbi_mapping_punch(&r->map, 0, SIZE_MAX);
	int header = qbi_mapping_probe(&r->map);

	return data || header ? QBI_AGAIN : 0;
}

/* The first byte that the consumer, as it says, has not taken. */
static uint32_t ring_untaken(struct qbi_qbring *r)
{
	uint32_t read;

	qbi_fault_enter(&r->map.guard);
	/* order Q5 (statistics): only decides which pages are given back. */
	read = qbi_shared_load(&r->head->read_pt, memory_order_relaxed);
	if (!qbi_fault_leave(&r->map.guard) || read >= r->word_size ||
	    (read > r->write && !r->wrapped))
		return r->write;
	return read;
}

int qbi_qbring_punch_taken(struct qbi_qbring *r)
{
	size_t read, write;
	int before, after, header;

	if (!r->head)
		return 0;
	read = ring_untaken(r) * sizeof(uint32_t);
	write = r->write * sizeof(uint32_t);
	if (read > write) {
		before = qbi_mapping_punch(&r->map, write, read);
		after = 0;
	} else {
		before = qbi_mapping_punch(&r->map, 0, read);
		after = qbi_mapping_punch(&r->map, write, SIZE_MAX);
	}
	header = qbi_mapping_probe(&r->map);
	return before || after || header ? QBI_AGAIN : 0;
}

void qbi_qbring_close(struct qbi_qbring *r)
{
	r->head = NULL;
	r->data = NULL;
	r->word_size = 0;
	qbi_mapping_close(&r->map);
	qbi_shm_peer_close(&r->file[0]);
	qbi_shm_peer_close(&r->file[1]);
	free(QBI_TAKE(r->prefix));
}

void qbi_qbring_remove_files(struct qbi_qbring *r)
{
	qbi_shm_peer_remove(&r->file[0]);
	qbi_shm_peer_remove(&r->file[1]);
}

const char *qbi_qbring_prefix(const struct qbi_qbring *r)
{
	return r->prefix;
}
