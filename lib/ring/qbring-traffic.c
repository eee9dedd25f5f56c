/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages and words of the ring of libqb's wire. One process produces, one consumes.
 * Either of them may be a peer with another implementation; then the partner named at an
 * operation stands for the same step of that implementation.
 *
 * Order. What is on the left happens before what is on the right, if the operation on the
 * right reads the value that the one on the left has written to the word:
 *
 *	Q1 magic      producer (publish): payload, size   ->  consumer (look)
 *	Q2 semaphore  producer (post): the whole chunk    ->  consumer (count)
 *	Q3 read_pt    consumer (free): done with payload  ->  producer (room)
 *	Q4 semaphore  producer (post) and consumer (sleep): one 64-bit word holds
 *	              value and sleepers, so either the producer sees the sleeper
 *	              or the sleeper sees the value
 *	Q5 words      no partner: no other data depends on them
 *
 * Q2 decides whether a message exists. Q1 is checked as well, because the peer can write any
 * value to the semaphore. write_pt is published for the peer; on this side only an end that
 * joins the ring reads it (qbring.c). The semaphore is decremented before read_pt moves,
 * because to a peer equal indexes with a semaphore above zero mean a full ring.
 */
#include "ring/qbring.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/msg.h"
#include "base/util.h"
#include "ring/qbring-wire.h"

/* -- Places in the data, always below word_size ------------------------------ */

static uint32_t word_after(const struct qbi_qbring *r, uint32_t at, uint32_t n)
{
	uint64_t next = (uint64_t)at + n;

	return (uint32_t)(next >= r->word_size ? next - r->word_size : next);
}

static uint32_t chunk_words(size_t bytes)
{
	return (uint32_t)(QBI_QBRING_CHUNK_WORDS + (bytes + 3) / sizeof(uint32_t));
}

static qbi_shared_u32 *ring_word(const struct qbi_qbring *r, uint32_t at)
{
	assert(at < r->word_size);
	return (qbi_shared_u32 *)&r->data[at];
}

/* The place of a payload byte, and the number of bytes from there to the end of the data. */
static char *ring_byte(const struct qbi_qbring *r, size_t at, size_t *ret_left)
{
	size_t size = (size_t)r->word_size * sizeof(uint32_t);

	at %= size;
	*ret_left = size - at;
	return (char *)r->data + at;
}

static void ring_copy_in(struct qbi_qbring *r, size_t at, const char *from, size_t n)
{
	size_t left;
	char *to = ring_byte(r, at, &left);

	if (left > n)
		left = n;
	qbi_shared_write(to, from, left);
	if (n > left)
		qbi_shared_write(r->data, from + left, n - left);
}

static void ring_copy_out(struct qbi_qbring *r, size_t at, char *to, size_t n)
{
	size_t left;
	const char *from = ring_byte(r, at, &left);

	if (left > n)
		left = n;
	qbi_shared_read(to, from, left);
	if (n > left)
		qbi_shared_read(to + left, r->data, n - left);
}

/* -- Producer ---------------------------------------------------------------- */

static size_t ring_free_bytes(const struct qbi_qbring *r, uint32_t read)
{
	uint32_t words;

	/* The ring is never filled completely: equal indexes mean that it is empty. */
	if (read == r->write)
		words = r->word_size;
	else if (read > r->write)
		words = read - r->write - 1;
	else
		words = read + r->word_size - r->write - 1;
	return (size_t)words * sizeof(uint32_t);
}

static void ring_post(struct qbi_qbring *r)
{
	/*
	 * order Q2 (post): the chunk before the count that announces it.
	 * Pairs with Q2 (count) in ring_has_message().
	 * order Q4 (post): one operation increments the value and reads the sleepers.
	 * Pairs with Q4 (sleep) in ring_sleep().
	 */
	uint64_t before = qbi_shared_add64(&r->head->sem.both, 1, memory_order_seq_cst);

	if (before >= QBI_QBRING_SEM_SLEEPER)
		syscall(SYS_futex, &r->head->sem.value, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void chunk_write(struct qbi_qbring *r, const struct iovec *iov, size_t n, size_t total)
{
	uint32_t at = r->write;
	uint32_t magic = word_after(r, at, 1);
	size_t to = (size_t)word_after(r, at, QBI_QBRING_CHUNK_WORDS) * sizeof(uint32_t);
	size_t i;

	/* order Q5 (reset): the consumer reads them only after Q2. */
	qbi_shared_store(ring_word(r, at), 0, memory_order_relaxed);
	qbi_shared_store(ring_word(r, magic), QBI_QBRING_WRITING, memory_order_relaxed);
	for (i = 0; i < n; i++) {
		if (!iov[i].iov_len)
			continue;
		ring_copy_in(r, to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	r->write = word_after(r, at, chunk_words(total));
	r->wrapped |= r->write < at;
	/* order Q5 (fill): Q1 and Q2 order both. */
	qbi_shared_store(ring_word(r, at), (uint32_t)total, memory_order_relaxed);
	qbi_shared_store(&r->head->write_pt, r->write, memory_order_relaxed);
	/* order Q1 (publish): pairs with Q1 (look) in ring_chunk_size(). */
	qbi_shared_store(ring_word(r, magic), QBI_QBRING_VALID, memory_order_release);
	ring_post(r);
}

/* 0, QBI_FULL, -EBADMSG. */
static int ring_room(struct qbi_qbring *r, size_t total)
{
	/* order Q3 (room): pairs with Q3 (free) in ring_free(). */
	uint32_t read = qbi_shared_load(&r->head->read_pt, memory_order_acquire);

	if (read >= r->word_size)
		return -EBADMSG;
	return ring_free_bytes(r, read) < total + QBI_QBRING_MARGIN ? QBI_FULL : 0;
}

int qbi_qbring_room(struct qbi_qbring *r, size_t total)
{
	int err;

	qbi_fault_enter(&r->map.guard);
	err = ring_room(r, total);
	return qbi_fault_leave(&r->map.guard) ? err : -EBADMSG;
}

int qbi_qbring_put(struct qbi_qbring *r, const struct iovec *iov, size_t n, size_t total)
{
	int err;

	if (total > r->max_msg_size)
		return -EMSGSIZE;
	qbi_fault_enter(&r->map.guard);
	err = ring_room(r, total);
	if (err == 0)
		chunk_write(r, iov, n, total);
	return qbi_fault_leave(&r->map.guard) ? err : -EBADMSG;
}

/* -- Consumer ---------------------------------------------------------------- */

static bool ring_has_message(struct qbi_qbring *r)
{
	/* order Q2 (count): pairs with Q2 (post) in ring_post(). */
	return qbi_shared_load(&r->head->sem.value, memory_order_acquire) > 0;
}

/* Size of the chunk at our index: read once and checked; the caller uses this copy. */
static int ring_chunk_size(struct qbi_qbring *r, uint32_t *ret_size)
{
	uint32_t magic, size;

	/* order Q1 (look): pairs with Q1 (publish) in chunk_write(). */
	magic = qbi_shared_load(ring_word(r, word_after(r, r->read, 1)), memory_order_acquire);
	/* order Q5 (size): covered by Q1. */
	size = qbi_shared_load(ring_word(r, r->read), memory_order_relaxed);
	if (magic != QBI_QBRING_VALID || size > r->max_msg_size)
		return -EBADMSG;
	*ret_size = size;
	return 0;
}

static void ring_free(struct qbi_qbring *r)
{
	/* order Q3 (free): pairs with Q3 (room) in ring_room(). */
	if (!r->in_use)
		qbi_shared_store(&r->head->read_pt, r->read, memory_order_release);
}

/* The chunk at our index is taken. */
static void chunk_pass(struct qbi_qbring *r, uint32_t size)
{
	uint32_t at = r->read;

	/* order Q5 (down): Q3 tells the producer. If the peer has set the semaphore to 0
	 * meanwhile, it wraps around, and the check of the next magic fails. */
	qbi_shared_add(&r->head->sem.value, UINT32_MAX, memory_order_relaxed);
	qbi_shared_store(ring_word(r, at), 0, memory_order_relaxed);
	qbi_shared_store(ring_word(r, word_after(r, at, 1)), QBI_QBRING_CONSUMED,
			 memory_order_relaxed);
	r->read = word_after(r, at, chunk_words(size));
}

static int ring_take(struct qbi_qbring *r, void *buf, size_t size, size_t *ret_size)
{
	uint32_t chunk;
	size_t from;
	int err;

	if (!ring_has_message(r))
		return QBI_EMPTY;
	err = ring_chunk_size(r, &chunk);
	if (err < 0)
		return err;
	*ret_size = chunk;
	if (chunk > size)
		return -ENOBUFS;
	from = (size_t)word_after(r, r->read, QBI_QBRING_CHUNK_WORDS) * sizeof(uint32_t);
	if (chunk > 0)
		ring_copy_out(r, from, buf, chunk);
	chunk_pass(r, chunk);
	ring_free(r);
	return 0;
}

int qbi_qbring_take(struct qbi_qbring *r, void *buf, size_t size, size_t *ret_size)
{
	size_t taken = 0;
	int err;

	qbi_fault_enter(&r->map.guard);
	err = ring_take(r, buf, size, &taken);
	if (!qbi_fault_leave(&r->map.guard))
		return -EBADMSG;
	if (err == 0 || err == -ENOBUFS)
		*ret_size = taken;
	return err;
}

/*
 * Put a zero behind the @n bytes at @payload. Where they fill their last word, the next byte
 * is the producer's: the size of the next chunk. False: that one is not zero.
 */
static bool zero_behind(char *payload, size_t n)
{
	char byte = 0;

	if (n % sizeof(uint32_t))
		qbi_shared_write(payload + n, &byte, sizeof(byte));
	else
		qbi_shared_read(&byte, payload + n, sizeof(byte));
	return byte == 0;
}

static int ring_take_in_place(struct qbi_qbring *r, void **ret, size_t *ret_size)
{
	size_t end = (size_t)r->word_size * sizeof(uint32_t);
	uint32_t chunk;
	size_t from;
	int err;

	if (!ring_has_message(r))
		return QBI_EMPTY;
	err = ring_chunk_size(r, &chunk);
	if (err < 0)
		return err;
	from = (size_t)word_after(r, r->read, QBI_QBRING_CHUNK_WORDS) * sizeof(uint32_t);
	if (chunk < QBI_IN_PLACE_MIN || from % QBI_IN_PLACE_ALIGN ||
	    (!r->map.twice && from + chunk >= end) ||
	    !zero_behind((char *)r->data + from, chunk))
		return QBI_AGAIN;
	r->in_use = true;
	r->in_use_at = r->read;
	chunk_pass(r, chunk);
	r->in_use_next = r->read;
	*ret = (char *)r->data + from;
	*ret_size = chunk;
	return 0;
}

int qbi_qbring_take_in_place(struct qbi_qbring *r, void **ret, size_t *ret_size)
{
	int err;

	/* A fault that is blocked ends the process. */
	if (r->in_use || qbi_fault_thread.blocks)
		return QBI_AGAIN;
	qbi_fault_enter(&r->map.guard);
	err = ring_take_in_place(r, ret, ret_size);
	if (!qbi_fault_leave(&r->map.guard)) {
		r->in_use = false;
		return -EBADMSG;
	}
	if (err == 0)
		qbi_fault_lend(&r->map.guard);
	return err;
}

int qbi_qbring_done(struct qbi_qbring *r, bool free)
{
	bool whole = qbi_fault_return(&r->map.guard);

	if (!free)
		return 0;
	r->in_use = false;
	qbi_fault_enter(&r->map.guard);
	ring_free(r);
	return qbi_fault_leave(&r->map.guard) && whole ? 0 : -EBADMSG;
}

uint32_t qbi_qbring_count(struct qbi_qbring *r)
{
	uint32_t most = r->word_size / QBI_QBRING_CHUNK_WORDS;
	uint32_t count;

	qbi_fault_enter(&r->map.guard);
	/* order Q5 (statistics): for display only. */
	count = qbi_shared_load(&r->head->sem.value, memory_order_relaxed);
	if (!qbi_fault_leave(&r->map.guard))
		return 0;
	return count < most ? count : most;
}

/* -- Waiting ----------------------------------------------------------------- */

/* Sleep once, while the value is 0. The kernel compares it, so a message that comes between
 * our check and the sleep is not missed. */
static int ring_futex_wait(struct qbi_qbring *r, uint64_t deadline)
{
	struct timespec at, *timeout = NULL;

	if (deadline != QBI_FOREVER) {
		at.tv_sec = (time_t)(deadline / QBI_NS_PER_S);
		at.tv_nsec = (long)(deadline % QBI_NS_PER_S);
		timeout = &at;
	}
	if (syscall(SYS_futex, &r->head->sem.value, FUTEX_WAIT_BITSET, 0, timeout, NULL,
		    FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case EINTR: return 0;
	case ETIMEDOUT: return QBI_EMPTY;
	default: return -EBADMSG; /* the file was truncated: the word has no page */
	}
}

static int ring_look(struct qbi_qbring *r)
{
	bool found;

	qbi_fault_enter(&r->map.guard);
	found = ring_has_message(r);
	if (!qbi_fault_leave(&r->map.guard))
		return -EBADMSG;
	return found ? 0 : QBI_EMPTY;
}

static bool ring_sleepers_add(struct qbi_qbring *r, uint64_t n)
{
	qbi_fault_enter(&r->map.guard);
	/* order Q4 (sleep): counted as a sleeper before the value is compared with 0.
	 * Pairs with Q4 (post) in ring_post(). */
	qbi_shared_add64(&r->head->sem.both, n, memory_order_seq_cst);
	return qbi_fault_leave(&r->map.guard);
}

/* Sleep until there is a message or the deadline has passed; after a wake-up without a
 * message sleep again. */
static int ring_sleep(struct qbi_qbring *r, uint64_t deadline)
{
	int err, slept;

	if (!ring_sleepers_add(r, QBI_QBRING_SEM_SLEEPER))
		return -EBADMSG;
	do {
		slept = ring_futex_wait(r, deadline);
		err = ring_look(r);
	} while (err == QBI_EMPTY && slept == 0);
	if (!ring_sleepers_add(r, -QBI_QBRING_SEM_SLEEPER))
		return -EBADMSG;
	return err == QBI_EMPTY ? slept : err;
}

int qbi_qbring_wait(struct qbi_qbring *r, uint64_t deadline)
{
	int err = ring_look(r);

	if (err != QBI_EMPTY || deadline == 0)
		return err;
	return ring_sleep(r, deadline);
}

/* -- Words ------------------------------------------------------------------- */

static int32_t ring_word_get(struct qbi_qbring *r, qbi_shared_u32 *word)
{
	uint32_t value;

	qbi_fault_enter(&r->map.guard);
	/* order Q5 (get) */
	value = qbi_shared_load(word, memory_order_acquire);
	return qbi_fault_leave(&r->map.guard) ? (int32_t)value : 0;
}

static void ring_word_set(struct qbi_qbring *r, qbi_shared_u32 *word, int32_t value)
{
	qbi_fault_enter(&r->map.guard);
	/* order Q5 (set) */
	qbi_shared_store(word, (uint32_t)value, memory_order_release);
	qbi_fault_leave(&r->map.guard);
}

int32_t qbi_qbring_user_get(struct qbi_qbring *r)
{
	return ring_word_get(r, &r->head->user_data);
}

void qbi_qbring_user_set(struct qbi_qbring *r, int32_t value)
{
	ring_word_set(r, &r->head->user_data, value);
}

void qbi_qbring_refs_set(struct qbi_qbring *r, int32_t value)
{
	ring_word_set(r, &r->head->ref_count, value);
}

void qbi_qbring_refs_add(struct qbi_qbring *r, int32_t delta)
{
	qbi_fault_enter(&r->map.guard);
	/* order Q5 (add) */
	qbi_shared_add(&r->head->ref_count, (uint32_t)delta, memory_order_acq_rel);
	qbi_fault_leave(&r->map.guard);
}
