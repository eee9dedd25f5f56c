/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The native ring, both ends, against a peer that writes what it likes between any two
 * accesses. The input is the position, the words, the data, and a list of operations, each
 * with its script of writes.
 *
 * Not only does nothing crash. What a consumer returns is what lay in the ring when it was
 * read, by one look at the tail and one at the header; a producer writes nothing but free
 * bytes; an operation that fails changes nothing. What is built or looked at in place is in one
 * piece, in bytes that are the producer's, or that the consumer has not given back.
 */
#include "config.h"

#include "tests/lib/peer-script.h"

#include "base/msg.h"
/* So that messages of both alignments fit in small rings. */
#undef QBI_IN_PLACE_MIN
#define QBI_IN_PLACE_MIN 48u

#include "ring/ring.c"
#include "ring/ring-pieces.c"
#include "ring/ring-places.c"
#include "ring/ring-resume.c"

#include "tests/fuzz/arena.h"

enum { WRITES_MAX = 8, OPERATIONS_MAX = 64, BODY_MOST = 5000 };

static const struct {
	uint32_t capacity;
	uint32_t max;
	bool twice;
} geometries[] = {
	{ 128, 40, false },
	{ 512, 100, false },
	{ 4096, 1000, false },
	{ 4096, 1000, true },
};

static struct arena arenas[QBI_ARRAY_SIZE(geometries)];
static uint32_t max_msg_size;
static struct qbi_ring producer, consumer;
static struct qbi_body body;   /* what the consumer has of one */
static uint32_t body_done;     /* of the body that the producer puts */
static struct qbi_ring friend; /* writes honest records through the peer's mapping */
static bool place_is_ours;     /* nobody else has written since it was filled */

static struct qbi_ring_words *peer_words(void)
{
	return (void *)arena.peer_words;
}

/* -- The peer ----------------------------------------------------------------- */

static uint64_t word_get(const void *at, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

/* One write: what, where, and whether it is a number or a difference. */
static struct peer_write write_read(struct input *in)
{
	uint8_t how = input_u8(in);
	struct peer_write w = { .size = 8, .before = input_u8(in) % 16 };

	w.value = how & 0x80 ? input_u64(in) : (uint64_t)(int64_t)(int8_t)input_u8(in);
	switch (how % 6) {
	case 0: w.to = &peer_words()->tail; break;
	case 1: w.to = &peer_words()->head; break;
	case 2:
		w.to = &peer_words()->taken;
		w.size = 4;
		break;
	case 3: /* length, kind or both of the oldest record */
		w.size = how & 8 ? 8 : 4;
		w.to = arena.peer_data + consumer.head_offset +
		       (how & 16 && !(how & 8) ? 4 : 0);
		break;
	case 4: w.to = arena.peer_data + input_u16(in) % (arena.data_size - 7); break;
	default:
		w.size = 1;
		w.to = arena.peer_data +
		       (consumer.head_offset + input_u8(in)) % arena.data_size;
		break;
	}
	if (how & 0x40)
		w.value += word_get(w.to, w.size);
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
	place_is_ours &= n == 0;
}

/* -- Operations, each with what must hold afterwards ----------------------------- */

static void check_consumer(const struct qbi_ring *before)
{
	FUZZ_CHECK(consumer.head_offset == consumer.head % arena.data_size);
	FUZZ_CHECK(consumer.head - before->head <= arena.data_size);
	FUZZ_CHECK(consumer.tail_seen - consumer.head <= arena.data_size);
	FUZZ_CHECK(consumer.capacity == arena.data_size && consumer.data == arena.data);
}

/* The next access to the data, of @size bytes: what lay there. Returns its index. */
static unsigned int check_word(unsigned int i, uint64_t word)
{
	while (i < arena_logged && !arena_log[i].in_data)
		i++;
	FUZZ_CHECK(i < arena_logged && arena_log[i].size == sizeof(word) &&
		   memcmp(&word, arena_log[i].before, sizeof(word)) == 0);
	return i;
}

/* One look at the tail, and one at the header of the oldest record, and at the word behind it,
 * if there is one; the payload is what lay there when it was read. */
static void check_taken(const struct qbi_ring *before, const unsigned char *buf, size_t n,
			uint32_t kind, uint64_t word)
{
	struct qbi_record record = { 0, 0 };
	size_t compared = 0, extra = kind == QBI_RECORD_MESSAGE ? 0 : sizeof(word);
	unsigned int i = 0;

	FUZZ_CHECK(arena_count(offsetof(struct qbi_ring_words, tail)) <= 1);
	while (i < arena_logged && !arena_log[i].in_data)
		i++;
	FUZZ_CHECK(i < arena_logged && arena_log[i].size == sizeof(record) &&
		   arena_log[i].offset == before->head_offset);
	memcpy(&record, arena_log[i].before, sizeof(record));
	FUZZ_CHECK(record.length == n + extra && record.kind == kind);
	if (extra)
		i = check_word(i + 1, word);
	for (i++; i < arena_logged; i++) {
		if (!arena_log[i].in_data)
			continue;
		FUZZ_CHECK(compared + arena_log[i].size <= n);
		FUZZ_CHECK(memcmp(buf + compared, arena_log[i].before, arena_log[i].size) == 0);
		compared += arena_log[i].size;
	}
	FUZZ_CHECK(compared == n);
	FUZZ_CHECK(consumer.head ==
		   before->head + qbi_record_stride(kind, before->head_offset, n + extra));
	/* Nothing is given back while one is looked at. */
	FUZZ_CHECK(!consumer.in_use || !arena_count(offsetof(struct qbi_ring_words, head)));
}

static void operation_take(size_t room)
{
	struct qbi_ring before = consumer;
	unsigned char *buf = malloc(room ? room : 1);
	size_t n = SIZE_MAX;
	int r;

	FUZZ_CHECK(buf);
	r = qbi_ring_take(&consumer, buf, room, &n);
	check_consumer(&before);
	switch (r) {
	case 0:
		FUZZ_CHECK(n <= room && n <= max_msg_size);
		FUZZ_CHECK(consumer.taken == before.taken + 1);
		check_taken(&before, buf, n, QBI_RECORD_MESSAGE, 0);
		break;
	case -ENOBUFS:
		FUZZ_CHECK(n > room && n <= max_msg_size && consumer.head == before.head);
		break;
	default:
		FUZZ_CHECK((r == QBI_EMPTY || r == -EBADMSG || r == QBI_PARTIAL) &&
			   consumer.head == before.head);
		break;
	}
	free(buf);
}

/* A piece: one look at the tail and at each of its headers, the bytes as they were read. */
static void operation_take_piece(void)
{
	struct qbi_ring before = consumer;
	uint32_t done = body.done;
	size_t n = SIZE_MAX, whole_size;
	char *whole = NULL;
	uint64_t word;
	int r = qbi_ring_take_piece(&consumer, &body, &n);

	check_consumer(&before);
	if (r != QBI_PARTIAL && r != QBI_BODY) {
		FUZZ_CHECK((r == QBI_EMPTY || r == -EBADMSG) && consumer.head == before.head &&
			   body.done == done);
		return;
	}
	FUZZ_CHECK(n > 0 && n <= max_msg_size && body.done == done + n);
	FUZZ_CHECK(body.size > max_msg_size && body.size <= BODY_MOST);
	FUZZ_CHECK((body.done == body.size) == (r == QBI_BODY));
	FUZZ_CHECK(consumer.taken == before.taken + (r == QBI_BODY));
	memcpy(&word, (uint32_t[2]){ body.size, done }, sizeof(word));
	check_taken(&before, (unsigned char *)body.data + done, n, QBI_RECORD_PIECE, word);
	if (r == QBI_PARTIAL)
		return;
	whole = qbi_body_take(&body, &whole_size);
	FUZZ_CHECK(whole_size > max_msg_size && whole[whole_size] == 0);
	free(whole);
}

static void operation_take_request(void)
{
	struct qbi_ring before = consumer;
	unsigned char *buf = malloc(max_msg_size);
	uint64_t word = 0;
	size_t n = SIZE_MAX;
	int r;

	FUZZ_CHECK(buf);
	r = qbi_ring_take_request(&consumer, buf, max_msg_size, &n, &word);
	place_is_ours = false;
	check_consumer(&before);
	if (r == 0 || r == QBI_TIMED || r == QBI_CANCEL) {
		FUZZ_CHECK(n <= max_msg_size && (n == 0 || r != QBI_CANCEL));
		FUZZ_CHECK(consumer.taken == before.taken + 1);
		check_taken(&before, buf, n,
			    r == 0	   ? QBI_RECORD_MESSAGE :
			    r == QBI_TIMED ? QBI_RECORD_TIMED :
					     QBI_RECORD_CANCEL,
			    word);
	} else {
		FUZZ_CHECK((r == QBI_EMPTY || r == -EBADMSG || r == QBI_PARTIAL) &&
			   consumer.head == before.head);
	}
	free(buf);
	if (r == QBI_PARTIAL) {
		arena_logged = 0;
		operation_take_piece();
	}
}

static void operation_event(void)
{
	struct qbi_ring before = consumer;
	size_t n = SIZE_MAX;
	int r = qbi_ring_peek(&consumer, &n);

	FUZZ_CHECK(r == 0 || r == QBI_PARTIAL || r == QBI_EMPTY || r == -EBADMSG);
	if (r && r != QBI_PARTIAL)
		return;
	FUZZ_CHECK(n <= max_msg_size + (r ? 8 : 0));
	(void)qbi_ring_is_last(&consumer, n);
	if (qbi_ring_arm(&consumer, (ssize_t)n))
		FUZZ_CHECK(consumer.owed - before.owed <= 1);
	arena_logged = 0;
	if (r)
		operation_take_piece();
	else
		operation_take(max_msg_size);
}

static void operation_arm(void)
{
	int64_t owed = consumer.owed;
	bool armed = qbi_ring_arm(&consumer, -1);

	FUZZ_CHECK(consumer.owed == owed || (armed && consumer.owed == owed + 1));
	FUZZ_CHECK(arena_count(offsetof(struct qbi_ring_words, tail)) <= 2);
}

/* The bytes of the data that were written lie in [tail, tail + stride) of the ring. */
static void check_put(const struct qbi_ring *before, uint32_t kind, size_t n)
{
	uint64_t stride = qbi_record_stride(kind, before->tail_offset, n);
	uint64_t head = before->head_seen;
	const struct arena_access *a = arena_first(offsetof(struct qbi_ring_words, head));

	if (a)
		memcpy(&head, a->before, sizeof(head));
	FUZZ_CHECK(arena_count(offsetof(struct qbi_ring_words, head)) <= 1);
	FUZZ_CHECK(producer.tail == before->tail + stride);
	FUZZ_CHECK(producer.tail - head <= arena.data_size);
	for (unsigned int i = 0; i < arena_logged; i++) {
		uint64_t from = arena_log[i].offset + arena.data_size - before->tail_offset;

		if (arena_log[i].in_data)
			FUZZ_CHECK(from % arena.data_size + arena_log[i].size <= stride);
	}
}

static void operation_put(size_t n, unsigned int pieces)
{
	static unsigned char zeros[ARENA_PAGE];
	struct qbi_ring before = producer;
	struct iovec iov[4] = { { NULL, 0 } };
	struct qbi_msg msg = { iov, QBI_ARRAY_SIZE(iov), n };
	bool ring = false;
	int r;

	for (unsigned int i = 0; i < QBI_ARRAY_SIZE(iov); i++)
		iov[i].iov_base = zeros;
	iov[pieces % 4].iov_len = n / 2;
	iov[3].iov_len += n - n / 2;
	r = qbi_ring_put(&producer, &msg, &ring);
	FUZZ_CHECK(producer.tail_offset == producer.tail % arena.data_size);
	FUZZ_CHECK(!before.reserved || r == QBI_FULL);
	if (r == 0)
		check_put(&before, QBI_RECORD_MESSAGE, n);
	else
		FUZZ_CHECK((r == QBI_FULL || r == -EBADMSG) && producer.tail == before.tail);
}

/* -- In place --------------------------------------------------------------------- */

static size_t reserved; /* bytes of the place, if there is one */

/* The @n bytes at @at are mapped; their offset in the data. */
static uint64_t place_check(const void *at, size_t n)
{
	size_t offset = (size_t)((const unsigned char *)at - arena.data);

	FUZZ_CHECK((const unsigned char *)at >= arena.data && offset % QBI_RECORD_ALIGN == 0);
	FUZZ_CHECK(offset + n <= arena.data_size * (arena.twice ? 2 : 1));
	return offset % arena.data_size;
}

/* Do they lie behind @from, in front of @stride bytes behind that? */
static bool lies_behind(uint64_t offset, size_t n, uint64_t from, uint64_t stride)
{
	return (offset + arena.data_size - from) % arena.data_size + n <= stride;
}

static void operation_reserve(size_t n)
{
	struct qbi_ring before = producer;
	uint64_t stride = qbi_message_stride(before.tail_offset, n);
	void *at = NULL;
	int r = qbi_ring_reserve(&producer, n, &at);
	unsigned int i;

	FUZZ_CHECK(producer.tail == before.tail && producer.put == before.put);
	FUZZ_CHECK(r == QBI_FULL || !before.reserved);
	FUZZ_CHECK(r == 0 || r == QBI_FULL || r == -EBADMSG ||
		   (r == QBI_AGAIN && !arena.twice));
	FUZZ_CHECK(producer.reserved == (r == 0 || before.reserved));
	for (i = 0; i < arena_logged; i++)
		FUZZ_CHECK(!arena_log[i].in_data);
	if (r)
		return;
	FUZZ_CHECK(producer.tail - producer.head_seen + stride <= arena.data_size);
	FUZZ_CHECK(lies_behind(place_check(at, n), n, producer.tail_offset, stride));
	reserved = n;
	for (i = 0; i < n; i++)
		((unsigned char *)at)[i] = (unsigned char)(i * 7 + n);
	place_is_ours = true;
}

static void operation_commit(size_t n)
{
	struct qbi_ring before = producer;
	void *at = NULL;
	size_t i;

	(void)qbi_ring_commit(&producer, reserved, n, &at);
	FUZZ_CHECK(!producer.reserved && producer.put == before.put + 1);
	FUZZ_CHECK(producer.tail_offset == producer.tail % arena.data_size);
	FUZZ_CHECK(!arena_count(offsetof(struct qbi_ring_words, head)));
	check_put(&before, QBI_RECORD_MESSAGE, n);
	FUZZ_CHECK(place_check(at, n) ==
		   (before.tail_offset +
		    qbi_record_lead(QBI_RECORD_MESSAGE, before.tail_offset, n)) %
			   arena.data_size);
	for (i = 0; place_is_ours && i < n; i++)
		FUZZ_CHECK(((unsigned char *)at)[i] == (unsigned char)(i * 7 + reserved));
}

static void operation_build(struct input *in, size_t n)
{
	uint8_t how = input_u8(in);

	if (!producer.reserved) {
		operation_reserve(n);
	} else if (how % 4) {
		operation_commit(n % (reserved + 1));
	} else {
		qbi_ring_abandon(&producer);
	}
}

static void operation_look(void)
{
	struct qbi_ring before = consumer;
	const void *at = NULL;
	size_t n = SIZE_MAX;
	uint64_t stride;
	int r;

	if (consumer.in_use) {
		qbi_ring_view_done(&consumer);
		FUZZ_CHECK(arena_count(offsetof(struct qbi_ring_words, head)) == 1);
		FUZZ_CHECK(consumer.published == consumer.head);
		return;
	}
	r = qbi_ring_view(&consumer, &at, &n);
	check_consumer(&before);
	FUZZ_CHECK(r == 0 || r == QBI_EMPTY || r == QBI_PARTIAL || r == -EBADMSG ||
		   (r == QBI_AGAIN && !arena.twice));
	if (r == 0 || r == QBI_AGAIN)
		FUZZ_CHECK(n <= max_msg_size);
	if (r) {
		FUZZ_CHECK(consumer.head == before.head && !consumer.in_use);
		return;
	}
	stride = qbi_message_stride(before.head_offset, n);
	FUZZ_CHECK(consumer.in_use && consumer.head == before.head + stride);
	FUZZ_CHECK(lies_behind(place_check(at, n), n, before.head_offset, stride));
	/* Its header was read once, and nothing of it was given back. */
	FUZZ_CHECK(arena_count(offsetof(struct qbi_ring_words, head)) == 0);
	FUZZ_CHECK(arena_count(offsetof(struct qbi_ring_words, tail)) <= 1);
}

/* -- Operations on requests ---------------------------------------------------------- */

/* A cancel in place writes into what waits, and nothing but the number 1. */
static void operation_cancel(uint64_t back, uint64_t deadline)
{
	struct qbi_ring before = producer;
	int r = qbi_ring_cancel(&producer, producer.tail - back % arena.data_size, deadline);
	unsigned int writes = 0;

	place_is_ours = false;
	FUZZ_CHECK(r == 0 || r == QBI_EMPTY || r == -EBADMSG);
	FUZZ_CHECK(producer.tail == before.tail && producer.put == before.put &&
		   producer.tail_offset == before.tail_offset);
	for (unsigned int i = 0; i < arena_logged; i++)
		if (arena_log[i].in_data) {
			FUZZ_CHECK(arena_log[i].size == 8 && ++writes == 1);
			FUZZ_CHECK(arena_log[i].offset % 8 == 0);
		}
	FUZZ_CHECK(writes == 1 || r != 0);
}

static void operation_put_word(struct input *in, size_t n, unsigned int how)
{
	static unsigned char zeros[ARENA_PAGE];
	struct qbi_ring before = producer;
	struct iovec iov = { zeros, n };
	struct qbi_msg msg = { &iov, 1, n };
	uint64_t place = 0;
	bool ring = false;
	int r = how & 1 ? qbi_ring_put_timed(&producer, &msg, input_u8(in), &place, &ring) :
			  qbi_ring_put_cancel(&producer, input_u8(in), &ring);

	FUZZ_CHECK(!before.reserved || r == QBI_FULL);
	if (r == 0)
		check_put(&before, how & 1 ? QBI_RECORD_TIMED : QBI_RECORD_CANCEL,
			  how & 1 ? n + 8 : 8);
	else
		FUZZ_CHECK((r == QBI_FULL || r == -EBADMSG) && producer.tail == before.tail);
	FUZZ_CHECK(r != 0 || !(how & 1) || place == before.tail);
}

static void operation_put_piece(uint32_t size, size_t n)
{
	static unsigned char zeros[ARENA_PAGE];
	struct qbi_ring before = producer;
	size_t most = qbi_ring_piece_most(&producer);
	struct qbi_piece piece = { .size = size, .offset = body_done < size ? body_done : 0 };
	struct iovec iov = { zeros, n < most ? n : most };
	struct qbi_msg part = { &iov, 1, 0 };
	bool ring = false, last;
	int r;

	FUZZ_CHECK(most > 0 && most <= max_msg_size);
	if (iov.iov_len > size - piece.offset)
		iov.iov_len = size - piece.offset;
	part.size = iov.iov_len;
	last = piece.offset + part.size == size;
	r = qbi_ring_put_piece(&producer, &piece, &part, &ring);
	if (r) {
		FUZZ_CHECK((r == QBI_FULL || r == -EBADMSG) && producer.tail == before.tail &&
			   producer.put == before.put);
		return;
	}
	check_put(&before, QBI_RECORD_PIECE, part.size + 8);
	FUZZ_CHECK(producer.put == before.put + last);
	body_done = last ? 0 : piece.offset + (uint32_t)part.size;
}

static void operation_ask(void)
{
	uint64_t offset = UINT64_MAX;

	FUZZ_CHECK(qbi_ring_queued(&producer) <= arena.data_size / sizeof(struct qbi_record));
	FUZZ_CHECK(qbi_ring_waiting(consumer.words, arena.data_size, &offset) <=
		   arena.data_size);
	FUZZ_CHECK(offset < arena.data_size);
	(void)qbi_ring_is_empty(&consumer);
	(void)qbi_ring_has_rung(&consumer);
}

/* The next piece that the consumer can take, or the first one of a body. */
static void friend_put_piece(const struct qbi_msg *part)
{
	uint32_t size = body.done ? body.size : max_msg_size + 1 + (uint32_t)part->size;
	struct qbi_piece piece = { .size = size, .offset = body.done };
	struct iovec iov = part->iov[0];
	struct qbi_msg msg = { &iov, 1, 0 };
	bool ring;

	if (iov.iov_len > size - body.done)
		iov.iov_len = size - body.done;
	msg.size = iov.iov_len;
	(void)qbi_ring_put_piece(&friend, &piece, &msg, &ring);
}

/* A record as it should be, where the peer believes that its tail is. */
static void friend_put(struct input *in, size_t n, unsigned int kind)
{
	unsigned char buf[ARENA_PAGE];
	struct iovec iov = { buf, n };
	struct qbi_msg msg = { &iov, 1, n };
	uint64_t place;
	bool ring;

	input_bytes(in, buf, n);
	place_is_ours = false;
	peer.watch = NULL;
	if (kind == 1)
		(void)qbi_ring_put_timed(&friend, &msg, 1 + n, &place, &ring);
	else if (kind == 2)
		(void)qbi_ring_put_cancel(&friend, n, &ring);
	else if (kind == 3 && n)
		friend_put_piece(&msg);
	else
		(void)qbi_ring_put(&friend, &msg, &ring);
	peer.watch = arena_watch;
}

static void operation_run(struct input *in)
{
	uint8_t what = input_u8(in);
	size_t n = input_u8(in) * (max_msg_size + 1) / 256;

	if (what % 8 == 7) {
		peer_script_set(NULL, 0);
		friend_put(in, n, what / 8 % 4);
		return;
	}
	script_read(in, what / 8 % (WRITES_MAX + 1));
	/* What can be done in place came later: of each kind that has enough. */
	if ((what & 0xc0) == 0xc0 && what % 8 == 5) {
		operation_build(in, n);
		return;
	}
	if ((what & 0xc0) == 0xc0 && what % 8 == 3) {
		operation_look();
		return;
	}
	switch (what % 8) {
	case 0: operation_take(n); break;
	case 1:
		if (n % 2)
			operation_take_request();
		else
			operation_take(max_msg_size);
		break;
	case 2: operation_event(); break;
	case 3: operation_arm(); break;
	case 4:
		if (what & 0x80)
			operation_put_word(in, n, what / 32);
		else
			operation_put(n, what / 8);
		break;
	case 5:
		if (what & 0x80)
			operation_put_piece(max_msg_size + 1 + what % 16, n + 1);
		else
			operation_put(max_msg_size, what / 8);
		break;
	default:
		if (n % 2)
			operation_cancel(8 * (uint64_t)input_u8(in), input_u8(in));
		else
			operation_ask();
		break;
	}
}

/* Both ends at one position, and the peer's words anything. */
static void rings_open(struct input *in, uint8_t flags)
{
	uint64_t position = input_u64(in) & ~(uint64_t)(QBI_RECORD_ALIGN - 1);
	uint64_t offset = position % arena.data_size;

	qbi_ring_init(&producer, (void *)arena.words, arena.data, arena.data_size,
		      max_msg_size);
	consumer = producer;
	qbi_body_forget(&body);
	body.least = max_msg_size;
	body.most = BODY_MOST;
	body_done = 0;
	producer.tail = producer.head_seen = position;
	consumer.head = consumer.tail_seen = position;
	producer.tail_offset = consumer.head_offset = offset;
	producer.mirror.tried = consumer.mirror.tried = true;
	producer.twice = consumer.twice = arena.twice;
	reserved = 0;
	friend = producer;
	friend.twice = false;
	friend.words = peer_words();
	friend.data = arena.peer_data;
	memset(arena.peer_words, 0, arena.words_size);
	memset(arena.peer_data, 0, arena.data_size);
	peer_words()->tail = position | (flags & 1);
	peer_words()->head = position;
	if (flags & 2)
		input_bytes(in, arena.peer_data, arena.data_size);
	if (flags & 4)
		input_bytes(in, arena.peer_words, arena.words_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t flags = input_u8(&in);
	size_t g = flags / 8 % QBI_ARRAY_SIZE(geometries);

	if (!arenas[g].data)
		arenas[g] = arena_open(sizeof(struct qbi_ring_words), geometries[g].capacity,
				       geometries[g].twice);
	arena = arenas[g];
	max_msg_size = geometries[g].max;
	peer_script_set(NULL, 0);
	peer.watch = arena_watch;
	rings_open(&in, flags);
	for (unsigned int i = 0; i < OPERATIONS_MAX && in.left; i++) {
		arena_logged = 0;
		operation_run(&in);
	}
	return 0;
}
