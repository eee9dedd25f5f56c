/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recordings of messages: a file of any bytes is read, or records are written and read again.
 *
 * What a file holds is worked out here a second time, over the whole of it in memory: each
 * record, and whether the file is good to its end.
 */
#include "config.h"

#include "tests/fuzz/fuzz.h"
#include "tools/qbipc/capture.h"

enum { ROOM = 1 << 16, RECORDS = 64 };

/* -- A second reader ------------------------------------------------------------------- */

struct file {
	const uint8_t *at;
	size_t left;
	bool swapped;
	bool section;
	unsigned int n;
	bool ours[CAPTURE_INTERFACES];
	uint64_t ticks[CAPTURE_INTERFACES];
};

static uint64_t number(const struct file *f, const uint8_t *from, unsigned int size)
{
	bool big = f->swapped == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		n = n << 8 | from[big ? i : size - 1 - i];
	return n;
}

static uint64_t network(const uint8_t *from, unsigned int size)
{
	uint64_t n = 0;

	while (size--)
		n = n << 8 | *from++;
	return n;
}

/* The last option of that code, and of @only bytes unless that is 0; NULL: there is none. */
static const uint8_t *option_find(const struct file *f, const uint8_t *at, const uint8_t *end,
				  unsigned int code, size_t only, size_t *size)
{
	const uint8_t *found = NULL;

	while (end - at >= 4 && number(f, at, 2) != 0) {
		size_t n = number(f, at + 2, 2), padded = (n + 3) / 4 * 4;

		if ((size_t)(end - at - 4) < padded)
			break;
		if (number(f, at, 2) == code && (!only || n == only)) {
			found = at + 4;
			*size = n;
		}
		at += 4 + padded;
	}
	return found;
}

static uint64_t ticks_of(uint8_t how)
{
	uint64_t ticks = 1;
	int i;

	for (i = 0; i < (how & 0x7f); i++)
		if (__builtin_mul_overflow(ticks, how & 0x80 ? 2u : 10u, &ticks))
			return 0;
	/* The highest bit is more than the library takes. */
	return how & 0x80 && ticks >> 63 ? 0 : ticks;
}

static bool interface_model(struct file *f, const uint8_t *b, const uint8_t *end)
{
	static const char words[] = "libqbipc monitor";
	const uint8_t *resolution, *text;
	size_t n = 0;

	if (end - b < 16 || f->n == CAPTURE_INTERFACES)
		return false;
	text = option_find(f, b + 16, end, 3, 0, &n);
	f->ours[f->n] = number(f, b + 8, 2) == 147 && text && n == sizeof(words) - 1 &&
			memcmp(text, words, n) == 0;
	resolution = option_find(f, b + 16, end, 9, 1, &n);
	f->ticks[f->n] = resolution ? ticks_of(*resolution) : 1000000;
	if (f->ours[f->n] && !f->ticks[f->n])
		return false;
	f->n++;
	return true;
}

/* 1: it is *@r; 0: it is not ours; -1: it is none. */
static int packet_model(const struct file *f, const uint8_t *b, const uint8_t *end,
			struct qbipc_monitor_record *r)
{
	const uint8_t *p = b + 28, *lost;
	uint64_t size, own, from;
	size_t n = 0;

	if (end - b < 28)
		return -1;
	from = number(f, b + 8, 4);
	size = number(f, b + 20, 4);
	if (from >= f->n || size > (size_t)(end - p))
		return -1;
	if (!f->ours[from])
		return 0;
	if (size < 48 || number(f, b + 24, 4) < size || network(p, 2) != 1)
		return -1;
	own = network(p + 2, 2);
	if (own < 48 || own > size)
		return -1;
	lost = option_find(f, p + (size + 3) / 4 * 4, end, 4, 8, &n);
	*r = (struct qbipc_monitor_record){
		.size = sizeof(*r),
		.kind = (uint32_t)network(p + 4, 4),
		.number = network(p + 8, 8),
		.pid = (int32_t)network(p + 16, 4),
		.uid = (uint32_t)network(p + 20, 4),
		.gid = (uint32_t)network(p + 24, 4),
		.native = (uint32_t)network(p + 28, 4),
		.max_msg_size = (uint32_t)network(p + 32, 4),
		.id = (int32_t)network(p + 36, 4),
		.error = (int32_t)network(p + 40, 4),
		.message_size = number(f, b + 24, 4) - own,
		.bytes = (uint32_t)(size - own),
		.data = p + own,
	};
	__extension__ typedef unsigned __int128 wide;
	r->time_ns = (uint64_t)((wide)(number(f, b + 12, 4) << 32 | number(f, b + 16, 4)) *
				1000000000u / f->ticks[from]);
	/* Of several, the last one that is whole; one of another size does not count. */
	if (lost)
		r->lost = number(f, lost, 8);
	return 1;
}

/* As capture_read(). */
static int model_read(struct file *f, struct qbipc_monitor_record *r)
{
	while (f->left) {
		const uint8_t *b = f->at, *end;
		uint64_t length;
		bool section;
		int n = 0;

		if (f->left < 12)
			return -1;
		section = memcmp(b, "\n\r\r\n", 4) == 0;
		if (section) {
			f->swapped = false;
			f->swapped = number(f, b + 8, 4) != 0x1a2b3c4d;
			if (number(f, b + 8, 4) != 0x1a2b3c4d)
				return -1;
			f->section = true;
			f->n = 0;
		}
		if (!f->section)
			return -1;
		length = number(f, b + 4, 4);
		if (length > f->left || length % 4 || length > CAPTURE_BLOCK_MAX ||
		    length < (section ? 28 : 12))
			return -1;
		end = b + length - 4;
		if (number(f, end, 4) != length)
			return -1;
		f->at += length;
		f->left -= length;
		if (section && number(f, b + 12, 2) != 1)
			return -1;
		if (!section && number(f, b, 4) == 1 && !interface_model(f, b, end))
			return -1;
		if (!section && number(f, b, 4) == 6)
			n = packet_model(f, b, end, r);
		if (n)
			return n;
	}
	return f->section ? 0 : -1;
}

/* -- Both ------------------------------------------------------------------------------- */

static void same(const struct qbipc_monitor_record *a, const struct qbipc_monitor_record *b)
{
	FUZZ_CHECK(a->kind == b->kind && a->number == b->number && a->pid == b->pid);
	FUZZ_CHECK(a->uid == b->uid && a->gid == b->gid && a->native == b->native);
	FUZZ_CHECK(a->max_msg_size == b->max_msg_size && a->id == b->id);
	FUZZ_CHECK(a->error == b->error && a->time_ns == b->time_ns && a->lost == b->lost);
	FUZZ_CHECK(a->message_size == b->message_size && a->bytes == b->bytes);
	FUZZ_CHECK(a->bytes <= a->message_size && !a->data == !a->bytes);
	FUZZ_CHECK(!a->bytes || memcmp(a->data, b->data, a->bytes) == 0);
}

static void file_read(const uint8_t *data, size_t size)
{
	struct file f = { .at = data, .left = size };
	struct qbipc_monitor_record r, expected;
	struct capture *c;
	FILE *file = fmemopen((void *)(uintptr_t)data, size, "r");
	int n;

	FUZZ_CHECK(file);
	c = capture_new(file);
	FUZZ_CHECK(c);
	do {
		int m = model_read(&f, &expected);

		n = capture_read(c, &r);
		FUZZ_CHECK(n == m);
		FUZZ_CHECK((n < 0) == (c->error != NULL));
		if (n == 1)
			same(&r, &expected);
	} while (n == 1);
	free(c);
	fclose(file);
}

static struct qbipc_monitor_record record_make(struct input *in, uint8_t *bytes)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };

	r.kind = input_u8(in);
	r.number = input_u64(in);
	r.time_ns = input_u64(in);
	r.pid = (int32_t)input_u32(in);
	r.uid = input_u32(in);
	r.id = (int32_t)input_u32(in);
	r.error = (int32_t)input_u32(in);
	r.max_msg_size = input_u32(in);
	r.lost = input_u8(in);
	r.bytes = input_u8(in);
	r.message_size = r.bytes + (uint64_t)input_u8(in);
	input_bytes(in, bytes, r.bytes);
	r.data = r.bytes ? bytes : NULL;
	return r;
}

/* Records that were written are read as they were. */
static void file_write(struct input *in)
{
	static uint8_t bytes[RECORDS][256];
	struct qbipc_monitor_record records[RECORDS], r;
	unsigned int n = 0, i;
	struct capture *c;
	char name[200], *data = NULL;
	size_t size;
	FILE *file = open_memstream(&data, &size);

	FUZZ_CHECK(file);
	memset(name, 'n', sizeof(name));
	name[input_u8(in) % sizeof(name)] = '\0';
	name[sizeof(name) - 1] = '\0';
	FUZZ_CHECK(capture_begin(file, name));
	for (; in->left && n < RECORDS; n++) {
		records[n] = record_make(in, bytes[n]);
		FUZZ_CHECK(capture_write(file, &records[n], records[n].time_ns));
	}
	fclose(file);
	file = fmemopen(data, size, "r");
	FUZZ_CHECK(file);
	c = capture_new(file);
	FUZZ_CHECK(c);
	for (i = 0; i < n; i++) {
		FUZZ_CHECK(capture_read(c, &r) == 1);
		same(&r, &records[i]);
	}
	FUZZ_CHECK(capture_read(c, &r) == 0 && c->packets == n);
	free(c);
	fclose(file);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (size == 0)
		return 0;
	/* A file begins with a line feed. */
	if (input_u8(&in) & 1)
		file_write(&in);
	else if (size < ROOM)
		file_read(data, size);
	return 0;
}
