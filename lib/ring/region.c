/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/region.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/util.h"
#include "ring/punch.h"
#include "ring/sealed.h"

#define WORDS_SIZE 4096

/* Rings whose data the server writes. */
#define SENT_RINGS 2

_Static_assert(sizeof(struct qbi_region_words) <= WORDS_SIZE, "one page of words");

static size_t common_size(uint32_t max_msg_size)
{
	if (max_msg_size == QBI_REGION_NO_RINGS)
		return WORDS_SIZE;
	return WORDS_SIZE + (size_t)qbi_ring_capacity(max_msg_size);
}

static size_t sent_size(uint32_t max_msg_size)
{
	if (max_msg_size == QBI_REGION_NO_RINGS)
		return 0;
	return SENT_RINGS * (size_t)qbi_ring_capacity(max_msg_size);
}

/* Map a whole file with @protection. 0 or -errno. */
static int part_map(int fd, size_t size, int protection, struct qbi_locking *locking,
		    void **ret)
{
	void *base = mmap(NULL, size, qbi_memory_protection(protection), MAP_SHARED, fd, 0);
	int r;

	if (base == MAP_FAILED)
		return -errno;
	r = qbi_memory_activate(base, size, protection, locking);
	if (r) {
		munmap(base, size);
		return r == QBI_AGAIN ? part_map(fd, size, protection, locking, ret) : r;
	}
	*ret = base;
	return 0;
}

/* As part_map(), for the common memory with its data once more behind it. */
static int twice_map(int fd, size_t size, void **ret)
{
	size_t again = size - WORDS_SIZE;
	unsigned char *base = mmap(NULL, size + again, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int r = 0;

	if (base == MAP_FAILED)
		return -errno;
	/* Pages that are larger than the words refuse the second one. */
	if (mmap(base, size, qbi_memory_protection(PROT_READ | PROT_WRITE),
		 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(base + size, again, qbi_memory_protection(PROT_READ | PROT_WRITE),
		 MAP_SHARED | MAP_FIXED, fd, WORDS_SIZE) == MAP_FAILED)
		r = -errno;
	if (r == 0)
		r = qbi_memory_activate(base, size + again, PROT_READ | PROT_WRITE, NULL);
	if (r) {
		munmap(base, size + again);
		return r == QBI_AGAIN ? twice_map(fd, size, ret) : r;
	}
	*ret = base;
	return 0;
}

/* Locked memory is not mapped twice, because it would count twice. */
static int common_map(struct qbi_region *m, uint32_t max_msg_size, int fd, void **ret)
{
	size_t size = common_size(max_msg_size);

	m->twice = m->twice && max_msg_size != QBI_REGION_NO_RINGS &&
		   !qbi_memory_is_locked(m->locking) && twice_map(fd, size, ret) == 0;
	return m->twice ? 0 : part_map(fd, size, PROT_READ | PROT_WRITE, m->locking, ret);
}

static size_t common_mapped(const struct qbi_region *m)
{
	return m->twice ? 2 * m->common_size - WORDS_SIZE : m->common_size;
}

static int region_map(struct qbi_region *m, uint32_t max_msg_size,
		      const struct qbi_region_fds *fds, int sent_protection)
{
	void *words = NULL, *sent = NULL;
	int r = common_map(m, max_msg_size, fds->common, &words);

	if (r < 0)
		return r;
	m->common_size = common_size(max_msg_size);
	if (sent_size(max_msg_size))
		r = part_map(fds->sent, sent_size(max_msg_size), sent_protection, m->locking,
			     &sent);
	if (r < 0) {
		munmap(words, common_mapped(m));
		return r;
	}
	m->words = words;
	m->sent = sent;
	m->sent_size = sent_size(max_msg_size);
	m->max_msg_size = max_msg_size;
	return 0;
}

/* -- Made by the server ---------------------------------------------------------------- */

/* Words of the server alone, which its children share. */
static int own_map(struct qbi_region *m)
{
	void *own = mmap(NULL, WORDS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);

	if (own == MAP_FAILED)
		return -errno;
	m->own = own;
	return 0;
}

int qbi_region_create(struct qbi_region *m, uint32_t max_msg_size, struct qbi_region_fds *ret)
{
	enum qbi_sealed_call call;
	_cleanup_(qbi_closep) int common = qbi_sealed_create(common_size(max_msg_size), &call);
	_cleanup_(qbi_closep) int sent = -1;
	_cleanup_(qbi_closep) int for_reading = -1;
	int r;

	if (common < 0)
		return common;
	if (max_msg_size != QBI_REGION_NO_RINGS) {
		sent = qbi_sealed_create(sent_size(max_msg_size), &call);
		if (sent < 0)
			return sent;
		for_reading = qbi_sealed_reopen(sent, &call);
		if (for_reading < 0)
			return for_reading;
	}
	r = region_map(m, max_msg_size, &(struct qbi_region_fds){ common, sent },
		       PROT_READ | PROT_WRITE);
	if (r < 0)
		return r;
	m->flow = 0;
	m->own = NULL;
	m->touched = max_msg_size != QBI_REGION_NO_RINGS;
	r = m->touched ? 0 : own_map(m);
	if (r < 0) {
		qbi_region_close(m);
		return r;
	}
	ret->common = qbi_take_fd(&common);
	ret->sent = qbi_take_fd(&for_reading);
	return 0;
}

/* -- Checked by the client --------------------------------------------------------------- */

static int part_check(int fd, size_t expected)
{
	enum qbi_sealed_call call;
	uint64_t size;
	int r = qbi_sealed_check(fd, &size, &call);

	return r == 0 && size != expected ? -EBADMSG : r;
}

int qbi_region_open(struct qbi_region *m, uint32_t max_msg_size,
		    const struct qbi_region_fds *fds)
{
	int r = part_check(fds->common, common_size(max_msg_size));

	if (r == 0 && max_msg_size != QBI_REGION_NO_RINGS)
		r = part_check(fds->sent, sent_size(max_msg_size));
	return r < 0 ? r : region_map(m, max_msg_size, fds, PROT_READ);
}

/* -- Used by both ------------------------------------------------------------------------ */

void qbi_region_ring(struct qbi_region *m, enum qbi_region_ring which, struct qbi_ring *r)
{
	uint64_t capacity = qbi_ring_capacity(m->max_msg_size);
	unsigned char *data = (unsigned char *)m->words + WORDS_SIZE;

	assert(m->words && m->sent && which < QBI_REGION_RINGS);
	if (which != QBI_REGION_REQUEST)
		data = m->sent + (which == QBI_REGION_EVENT ? capacity : 0);
	qbi_ring_init(r, &m->words->ring[which], data, capacity, m->max_msg_size);
	r->twice = m->twice && which == QBI_REGION_REQUEST;
	r->locking = m->locking;
}

/* -- Pages released ----------------------------------------------------------------------- */

static int common_punch(struct qbi_region *m, uint64_t from)
{
	return qbi_punch(m->words, m->common_size, from, m->common_size);
}

/* How long it takes does not matter: the client cannot punch this memory, so nothing that
 * comes afterwards has to wait. */
static void sent_punch(struct qbi_region *m, uint64_t from, uint64_t to)
{
	(void)qbi_punch(m->sent, m->sent_size, from, to);
}

/* The common memory comes last: what it says about the client is then as new as can be. */
int qbi_region_punch(struct qbi_region *m)
{
	if (m->sent)
		sent_punch(m, 0, m->sent_size);
	return m->words && m->touched ? common_punch(m, 0) : 0;
}

/* Release the ring whose data begins at @data, except the @n bytes from @keep on, which may
 * wrap around its end. */
static void ring_punch_except(struct qbi_region *m, uint64_t data, uint64_t capacity,
			      uint64_t keep, uint64_t n)
{
	if (keep + n <= capacity) {
		sent_punch(m, data, data + keep);
		sent_punch(m, data + keep + n, data + capacity);
	} else {
		sent_punch(m, data + keep + n - capacity, data + keep);
	}
}

int qbi_region_punch_taken(struct qbi_region *m)
{
	uint64_t capacity = qbi_ring_capacity(m->max_msg_size);
	uint64_t data = 0;
	int which;

	if (!m->sent)
		return 0;
	for (which = QBI_REGION_RESPONSE; which < QBI_REGION_RINGS; which++) {
		uint64_t offset;
		uint64_t n = qbi_ring_waiting(&m->words->ring[which], capacity, &offset);

		ring_punch_except(m, data, capacity, offset, n);
		data += capacity;
	}
	return common_punch(m, WORDS_SIZE);
}

void qbi_region_close(struct qbi_region *m)
{
	if (!m->words)
		return;
	munmap(m->words, common_mapped(m));
	if (m->sent)
		munmap(m->sent, m->sent_size);
	if (m->own)
		munmap(m->own, WORDS_SIZE);
	m->words = NULL;
	m->sent = NULL;
	m->own = NULL;
}

void qbi_region_flow_set(struct qbi_region *m, uint32_t value)
{
	if (m->flow == value)
		return;
	m->flow = value;
	m->touched = true;
	/* order R4 (flow): no other data depends on it; pairs with R4 in flow_get. */
	qbi_shared_store(&m->words->flow, value, memory_order_relaxed);
}

uint32_t qbi_region_flow_get(struct qbi_region *m)
{
	/* order R4 (flow): pairs with R4 in flow_set. */
	return qbi_shared_load(&m->words->flow, memory_order_relaxed);
}

void qbi_region_taken_set(struct qbi_region *m, uint32_t count)
{
	/* order R3 (statistics): pairs with R3 in taken_get. */
	qbi_shared_store(&m->words->ring[QBI_REGION_EVENT].taken, count, memory_order_relaxed);
}

uint32_t qbi_region_taken_get(struct qbi_region *m)
{
	m->touched = true;
	/* order R3 (statistics): pairs with R3 in taken_set. */
	return qbi_shared_load(&m->words->ring[QBI_REGION_EVENT].taken, memory_order_relaxed);
}

void qbi_region_sent_set(struct qbi_region *m, enum qbi_region_ring which, uint32_t count)
{
	/* order R3 (statistics): pairs with R3 in sent_get, after a fork. */
	qbi_shared_store(&m->own->ring[which].put, count, memory_order_relaxed);
}

uint32_t qbi_region_sent_get(struct qbi_region *m, enum qbi_region_ring which)
{
	/* order R3 (statistics): pairs with R3 in sent_set. */
	return qbi_shared_load(&m->own->ring[which].put, memory_order_relaxed);
}

void qbi_region_unsent_set(struct qbi_region *m, enum qbi_region_ring which, uint64_t bytes)
{
	/* order R3 (statistics): pairs with R3 in unsent_get, after a fork. */
	qbi_shared_store64(&m->own->ring[which].tail, bytes, memory_order_relaxed);
}

uint64_t qbi_region_unsent_get(struct qbi_region *m, enum qbi_region_ring which)
{
	/* order R3 (statistics): pairs with R3 in unsent_set. */
	return qbi_shared_load64(&m->own->ring[which].tail, memory_order_relaxed);
}

void qbi_region_rings(struct qbi_region *m, enum qbi_region_end me)
{
	bool server = me == QBI_REGION_SERVER;
	qbi_shared_u64 *mine = server ? &m->words->server_rang : &m->words->client_rang;

	/* order R8 (rang): no other data depends on it; pairs with R8 (when) below. The byte
	 * that is sent next orders it before whatever reads it. */
	qbi_shared_store64(mine, qbi_now_ns(), memory_order_relaxed);
}

uint64_t qbi_region_rang(struct qbi_region *m, enum qbi_region_end other)
{
	bool server = other == QBI_REGION_SERVER;
	qbi_shared_u64 *its = server ? &m->words->server_rang : &m->words->client_rang;

	/* order R8 (when): pairs with R8 (rang) above, of the other end. */
	return qbi_shared_load64(its, memory_order_relaxed);
}

void qbi_region_body_set(struct qbi_region *m, enum qbi_region_end me, uint32_t bytes)
{
	bool server = me == QBI_REGION_SERVER;
	qbi_shared_u32 *mine = server ? &m->words->server_body : &m->words->client_body;

	m->touched = true;
	/* order R9 (say): no other data depends on it; pairs with R9 (ask) below, of the
	 * other end. */
	qbi_shared_store(mine, bytes, memory_order_relaxed);
}

uint32_t qbi_region_body_get(struct qbi_region *m, enum qbi_region_end other)
{
	bool server = other == QBI_REGION_SERVER;
	qbi_shared_u32 *its = server ? &m->words->server_body : &m->words->client_body;

	/* order R9 (ask): pairs with R9 (say) above, of the other end. */
	return qbi_shared_load(its, memory_order_relaxed);
}

bool qbi_region_shares_cpu(struct qbi_region *m, enum qbi_region_end me)
{
	bool server = me == QBI_REGION_SERVER;
	qbi_shared_u32 *mine = server ? &m->words->server_cpu : &m->words->client_cpu;
	qbi_shared_u32 *other = server ? &m->words->client_cpu : &m->words->server_cpu;
	uint32_t here = (uint32_t)sched_getcpu() + 1;

	/* order R6 (say): no other data depends on it; pairs with R6 (ask) below, of the
	 * other end. Stored only if it changes, to leave the cache line where it is. */
	if (qbi_shared_load(mine, memory_order_relaxed) != here)
		qbi_shared_store(mine, here, memory_order_relaxed);
	/* order R6 (ask): pairs with R6 (say) above, of the other end. */
	return qbi_shared_load(other, memory_order_relaxed) == here;
}
