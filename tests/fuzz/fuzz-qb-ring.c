/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring on libqb's wire, both ends, against a peer that writes what it likes between any
 * two accesses. The input is where both ends stand, the header's words, the data, and a
 * list of operations, each with its script of writes.
 *
 * What a consumer returns is what lay in the ring when it was read, by one look each at
 * count, magic and size; a producer writes nothing but free words; an operation that fails
 * changes nothing. The two files are plain memory here: tests/unit/test-ring-hostile and
 * fuzz-server truncate real ones.
 */
#include "config.h"

#include "tests/lib/peer-script.h"

#include "ring/qbring-traffic.c"

#include "tests/fuzz/arena.h"

enum { WRITES_MAX = 8, OPERATIONS_MAX = 64 };

static const struct {
	uint32_t words;
	uint32_t max;
} geometries[] = { { 24, 80 }, { 128, 400 }, { 1024, 4083 } };

static struct arena arenas[QBI_ARRAY_SIZE(geometries)];
static struct qbi_qbring ring;	 /* ours: it produces and it consumes */
static struct qbi_qbring friend; /* writes honest chunks through the peer's mapping */

static struct qbi_qbring_header *peer_head(void)
{
	return (void *)arena.peer_words;
}

/* -- The peer ----------------------------------------------------------------- */

static void *write_target(struct input *in, uint8_t how, uint32_t *ret_size)
{
	struct qbi_qbring_header *h = peer_head();
	uint32_t *data = (void *)arena.peer_data;

	*ret_size = 4;
	switch (how % 10) {
	case 0: return &h->write_pt;
	case 1: return &h->read_pt;
	case 2: return &h->sem.value;
	case 3: return &h->sem.sleepers;
	case 4: return &h->user_data;
	case 5: return &h->ref_count;
	case 6: return &data[ring.read];
	case 7: return &data[word_after(&ring, ring.read, 1)];
	case 8: return &data[input_u16(in) % ring.word_size];
	default: *ret_size = 1; return arena.peer_data + input_u16(in) % arena.data_size;
	}
}

static struct peer_write write_read(struct input *in)
{
	static const uint32_t magics[] = { QBI_QBRING_VALID, QBI_QBRING_WRITING,
					   QBI_QBRING_CONSUMED, UINT32_MAX };
	uint8_t how = input_u8(in);
	struct peer_write w = { .before = input_u8(in) % 16 };
	uint32_t now = 0;

	w.value = how & 0x80 ? input_u32(in) : (uint64_t)(int64_t)(int8_t)input_u8(in);
	w.to = write_target(in, how & 0x1f, &w.size);
	if (how & 0x40) {
		memcpy(&now, w.to, w.size);
		w.value += now;
	} else if (how & 0x20) {
		w.value = magics[w.value % QBI_ARRAY_SIZE(magics)];
	}
	return w;
}

static int write_compare(const void *a, const void *b)
{
	const struct peer_write *x = a, *y = b;

	return (x->before > y->before) - (x->before < y->before);
}

static void script_read(struct input *in, unsigned int n)
{
	static struct peer_write writes[WRITES_MAX];

	for (unsigned int i = 0; i < n; i++)
		writes[i] = write_read(in);
	qsort(writes, n, sizeof(writes[0]), write_compare);
	peer_script_set(writes, n);
	arena_logged = 0;
}

/* -- Operations, each with what must hold afterwards ----------------------------- */

static uint32_t logged_u32(const struct arena_access *a)
{
	uint32_t value;

	memcpy(&value, a->before, sizeof(value));
	return value;
}

/* Accesses in their order: count, magic, size, payload, and then only writes. */
static void check_taken(uint32_t at, const unsigned char *buf, size_t n)
{
	size_t compared = 0;
	unsigned int i = 3;

	FUZZ_CHECK(arena_logged >= 3);
	FUZZ_CHECK(arena_log[0].offset == offsetof(struct qbi_qbring_header, sem.value) &&
		   logged_u32(&arena_log[0]) > 0);
	FUZZ_CHECK(arena_log[1].offset == 4 * word_after(&ring, at, 1) &&
		   logged_u32(&arena_log[1]) == QBI_QBRING_VALID);
	FUZZ_CHECK(arena_log[2].offset == 4 * at && logged_u32(&arena_log[2]) == n);
	for (; compared < n; i++) {
		FUZZ_CHECK(i < arena_logged && arena_log[i].in_data);
		FUZZ_CHECK(compared + arena_log[i].size <= n);
		FUZZ_CHECK(memcmp(buf + compared, arena_log[i].before, arena_log[i].size) == 0);
		compared += arena_log[i].size;
	}
	FUZZ_CHECK(arena_logged == i + 4); /* semaphore, size, magic, read_pt */
	FUZZ_CHECK(ring.read == word_after(&ring, at, chunk_words(n)));
}

static void operation_take(size_t room)
{
	uint32_t read = ring.read;
	unsigned char *buf = malloc(room ? room : 1);
	size_t n = SIZE_MAX;
	int r;

	FUZZ_CHECK(buf);
	r = qbi_qbring_take(&ring, room ? buf : NULL, room, &n);
	FUZZ_CHECK(ring.read < ring.word_size);
	switch (r) {
	case 0:
		FUZZ_CHECK(n <= room && n <= ring.max_msg_size);
		check_taken(read, buf, n);
		break;
	case -ENOBUFS:
		FUZZ_CHECK(n > room && n <= ring.max_msg_size && ring.read == read);
		break;
	default: FUZZ_CHECK((r == QBI_EMPTY || r == -EBADMSG) && ring.read == read); break;
	}
	free(buf);
}

/* Free words as the input to the decision says, computed by counting. */
static uint32_t words_free(uint32_t write, uint32_t read)
{
	uint32_t n = 0;

	if (write == read)
		return ring.word_size;
	while ((write + n + 1) % ring.word_size != read)
		n++;
	return n;
}

/* The bytes of the data that were written belong to this chunk, and it was free. */
static void check_put(uint32_t at, size_t n)
{
	const struct arena_access *a = arena_first(offsetof(struct qbi_qbring_header, read_pt));

	FUZZ_CHECK(a && arena_count(offsetof(struct qbi_qbring_header, read_pt)) == 1);
	FUZZ_CHECK(words_free(at, logged_u32(a)) >= chunk_words(n));
	FUZZ_CHECK(ring.write == (at + chunk_words(n)) % ring.word_size);
	for (unsigned int i = 0; i < arena_logged; i++) {
		size_t from = arena_log[i].offset + arena.data_size - 4 * (size_t)at;

		if (arena_log[i].in_data)
			FUZZ_CHECK(from % arena.data_size + arena_log[i].size <=
				   4 * (size_t)chunk_words(n));
	}
}

static void operation_put(size_t n, unsigned int pieces)
{
	static unsigned char zeros[ARENA_PAGE + 1];
	struct iovec iov[4] = { { NULL, 0 } };
	uint32_t write = ring.write;
	int r;

	for (unsigned int i = 0; i < QBI_ARRAY_SIZE(iov); i++)
		iov[i].iov_base = zeros;
	iov[pieces % 4].iov_len = n / 2;
	iov[3].iov_len += n - n / 2;
	r = qbi_qbring_put(&ring, iov, QBI_ARRAY_SIZE(iov), n);
	FUZZ_CHECK(ring.write < ring.word_size);
	if (r == 0)
		check_put(write, n);
	else
		FUZZ_CHECK(ring.write == write && (r == QBI_FULL || r == -EBADMSG ||
						   (r == -EMSGSIZE && n > ring.max_msg_size)));
}

static void operation_wait(bool sleep)
{
	/* A deadline that has passed, so nobody sleeps. */
	int r = qbi_qbring_wait(&ring, sleep ? 1 : 0);

	FUZZ_CHECK(r == 0 || r == QBI_EMPTY || r == -EBADMSG);
}

static void operation_words(void)
{
	FUZZ_CHECK(qbi_qbring_count(&ring) <= ring.word_size / QBI_QBRING_CHUNK_WORDS);
	(void)qbi_qbring_user_get(&ring);
	qbi_qbring_user_set(&ring, 1);
	qbi_qbring_refs_add(&ring, 1);
	qbi_qbring_refs_add(&ring, -1);
}

/* A chunk as it should be, where the peer believes that its end is. */
static void friend_put(struct input *in, size_t n)
{
	unsigned char buf[ARENA_PAGE + 1];
	struct iovec iov = { buf, n };

	input_bytes(in, buf, n);
	peer.watch = NULL;
	(void)qbi_qbring_put(&friend, &iov, 1, n);
	peer.watch = arena_watch;
}

static void operation_run(struct input *in)
{
	uint8_t what = input_u8(in);
	size_t n = input_u8(in) * (ring.max_msg_size + 2) / 256;

	if (what % 8 == 7) {
		peer_script_set(NULL, 0);
		friend_put(in, n);
		return;
	}
	script_read(in, what / 8 % (WRITES_MAX + 1));
	switch (what % 8) {
	case 0: operation_take(n); break;
	case 1:
	case 2: operation_take(ring.max_msg_size); break;
	case 3: operation_wait(what & 0x80); break;
	case 4: operation_put(n, what / 8); break;
	case 5: operation_put(ring.max_msg_size, what / 8); break;
	default: operation_words(); break;
	}
}

static void rings_open(struct input *in, size_t g, uint8_t flags)
{
	memset(arena.peer_words, 0, arena.words_size);
	memset(arena.peer_data, 0, arena.data_size);
	ring = (struct qbi_qbring)QBI_QBRING_INIT;
	ring.head = (void *)arena.words;
	ring.data = (void *)arena.data;
	ring.word_size = geometries[g].words;
	ring.max_msg_size = geometries[g].max;
	ring.read = input_u16(in) % ring.word_size;
	ring.write = flags & 1 ? input_u16(in) % ring.word_size : ring.read;
	friend = ring;
	friend.head = peer_head();
	friend.data = (void *)arena.peer_data;
	friend.write = ring.read;
	peer_head()->read_pt = ring.read;
	peer_head()->write_pt = ring.write;
	if (flags & 2)
		input_bytes(in, arena.peer_data, arena.data_size);
	if (flags & 4) {
		peer_head()->write_pt = input_u32(in);
		peer_head()->read_pt = input_u32(in);
		peer_head()->sem.both = input_u64(in);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t flags = input_u8(&in);
	size_t g = flags / 8 % QBI_ARRAY_SIZE(geometries);

	if (!arenas[g].data)
		arenas[g] = arena_open(sizeof(struct qbi_qbring_header),
				       4 * geometries[g].words, false);
	arena = arenas[g];
	peer_script_set(NULL, 0);
	peer.watch = arena_watch;
	rings_open(&in, g, flags);
	for (unsigned int i = 0; i < OPERATIONS_MAX && in.left; i++) {
		arena_logged = 0;
		operation_run(&in);
	}
	return 0;
}
