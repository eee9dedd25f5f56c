/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/qbipc/capture.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ull

/* Types of blocks, and options in them, of pcapng. */
enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	ORDER_MARK = 0x1a2b3c4d,
	LINK_USER0 = 147, /* LINKTYPE_USER0: for private use */

	OPTION_END = 0,
	SECTION_PROGRAM = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	PACKET_DROPPED = 4,

	INBOUND = 1,
	OUTBOUND = 2,
};

/* What says that packets of this link type are ours. */
static const char description[] = "libqbipc monitor";

/* How a packet begins: numbers in network byte order. */
struct packet_head {
	uint16_t version;
	uint16_t size; /* of this struct; the message follows */
	uint32_t kind; /* enum qbipc_monitor_kind */
	uint64_t number;
	uint32_t pid;
	uint32_t uid;
	uint32_t gid;
	uint32_t native;
	uint32_t max_msg_size;
	uint32_t id;
	uint32_t error;
	uint32_t zero;
};
_Static_assert(sizeof(struct packet_head) == 48, "head of a packet");

/* -- Writing ----------------------------------------------------------------------- */

struct writer {
	size_t size;
	uint8_t bytes[512];
};

static void put(struct writer *w, const void *data, size_t size)
{
	if (size)
		memcpy(w->bytes + w->size, data, size);
	w->size += size;
}

static void put_u16(struct writer *w, uint16_t n)
{
	put(w, &n, sizeof(n));
}

static void put_u32(struct writer *w, uint32_t n)
{
	put(w, &n, sizeof(n));
}

static size_t padding_of(size_t size)
{
	return -size % 4;
}

/* Text that is longer is cut. */
static void put_option(struct writer *w, uint16_t code, const void *data, size_t size)
{
	static const char zeros[4];

	if (size > 128)
		size = 128;
	put_u16(w, code);
	put_u16(w, (uint16_t)size);
	put(w, data, size);
	put(w, zeros, padding_of(size));
}

/* Its length stands at both ends of a block. */
static bool block_write(FILE *f, uint32_t type, struct writer *w)
{
	uint32_t length = (uint32_t)(w->size + 12);
	uint32_t begin[] = { type, length };

	return fwrite(begin, sizeof(begin), 1, f) == 1 &&
	       fwrite(w->bytes, w->size, 1, f) == 1 &&
	       fwrite(&length, sizeof(length), 1, f) == 1;
}

bool capture_begin(FILE *f, const char *name)
{
	static const char program[] = "qbipc " PACKAGE_VERSION;
	struct writer section = { .size = 0 }, interface = { .size = 0 };
	uint64_t unknown = UINT64_MAX;
	uint8_t nanoseconds = 9;

	put_u32(&section, ORDER_MARK);
	put_u16(&section, 1); /* version 1.0 */
	put_u16(&section, 0);
	put(&section, &unknown, sizeof(unknown)); /* length of the section */
	put_option(&section, SECTION_PROGRAM, program, sizeof(program) - 1);
	put_option(&section, OPTION_END, NULL, 0);
	put_u16(&interface, LINK_USER0);
	put_u16(&interface, 0);
	put_u32(&interface, 0); /* no limit of a packet */
	put_option(&interface, INTERFACE_NAME, name, strlen(name));
	put_option(&interface, INTERFACE_DESCRIPTION, description, sizeof(description) - 1);
	put_option(&interface, INTERFACE_RESOLUTION, &nanoseconds, 1);
	put_option(&interface, OPTION_END, NULL, 0);
	return block_write(f, BLOCK_SECTION, &section) &&
	       block_write(f, BLOCK_INTERFACE, &interface);
}

static struct packet_head head_of(const struct qbipc_monitor_record *r)
{
	return (struct packet_head){
		.version = htobe16(1),
		.size = htobe16(sizeof(struct packet_head)),
		.kind = htobe32(r->kind),
		.number = htobe64(r->number),
		.pid = htobe32((uint32_t)r->pid),
		.uid = htobe32(r->uid),
		.gid = htobe32(r->gid),
		.native = htobe32(r->native),
		.max_msg_size = htobe32(r->max_msg_size),
		.id = htobe32((uint32_t)r->id),
		.error = htobe32((uint32_t)r->error),
	};
}

bool capture_write(FILE *f, const struct qbipc_monitor_record *r, uint64_t realtime_ns)
{
	static const char zeros[4];
	struct packet_head head = head_of(r);
	struct writer begin = { .size = 0 }, end = { .size = 0 };
	uint32_t size = (uint32_t)sizeof(head) + r->bytes;
	uint64_t whole = sizeof(head) + r->message_size;
	uint32_t flags = r->kind == QBIPC_MONITOR_REQUEST ? INBOUND : OUTBOUND;
	uint32_t length;

	put(&end, zeros, padding_of(size));
	put_option(&end, PACKET_FLAGS, &flags, sizeof(flags));
	put_option(&end, PACKET_DROPPED, &r->lost, sizeof(r->lost));
	put_option(&end, OPTION_END, NULL, 0);
	length = (uint32_t)(7 * sizeof(uint32_t) + size + end.size + sizeof(length));
	put_u32(&end, length);
	put_u32(&begin, BLOCK_PACKET);
	put_u32(&begin, length);
	put_u32(&begin, 0); /* the interface */
	put_u32(&begin, (uint32_t)(realtime_ns >> 32));
	put_u32(&begin, (uint32_t)realtime_ns);
	put_u32(&begin, size);
	put_u32(&begin, whole > UINT32_MAX ? UINT32_MAX : (uint32_t)whole);
	put(&begin, &head, sizeof(head));
	return fwrite(begin.bytes, begin.size, 1, f) == 1 &&
	       (!r->bytes || fwrite(r->data, r->bytes, 1, f) == 1) &&
	       fwrite(end.bytes, end.size, 1, f) == 1;
}

/* -- Reading ----------------------------------------------------------------------- */

struct capture *capture_new(FILE *f)
{
	struct capture *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	c->f = f;
	c->swapped = c->in_section = false;
	c->packets = 0;
	c->error = NULL;
	c->n_interfaces = 0;
	return c;
}

static int malformed(struct capture *c, const char *what)
{
	c->error = what;
	return -1;
}

static uint16_t get_u16(const struct capture *c, const uint8_t *at)
{
	uint16_t n;

	memcpy(&n, at, sizeof(n));
	return c->swapped ? __builtin_bswap16(n) : n;
}

static uint32_t get_u32(const struct capture *c, const uint8_t *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return c->swapped ? __builtin_bswap32(n) : n;
}

static uint64_t get_u64(const struct capture *c, const uint8_t *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	return c->swapped ? __builtin_bswap64(n) : n;
}

/* Read on in a block. */
static bool bytes_read(struct capture *c, size_t at, size_t size)
{
	return size == 0 || fread(c->block + at, size, 1, c->f) == 1;
}

/* The beginning of a section says how its numbers are written, its own length too. */
static int order_read(struct capture *c)
{
	uint32_t mark;

	if (!bytes_read(c, 8, 4))
		return malformed(c, "it ends within a block");
	memcpy(&mark, c->block + 8, sizeof(mark));
	if (mark != ORDER_MARK && mark != __builtin_bswap32(ORDER_MARK))
		return malformed(c, "not in the pcapng format");
	c->swapped = mark != ORDER_MARK;
	c->in_section = true;
	c->n_interfaces = 0;
	return 0;
}

/* Read a block to c->block. Its type goes to *@type, its length to *@length. 1, 0, -1. */
static int block_read(struct capture *c, uint32_t *type, uint32_t *length)
{
	size_t got = fread(c->block, 1, 8, c->f), done = 8;

	if (got == 0 && !ferror(c->f))
		return c->in_section ? 0 : malformed(c, "it is empty");
	if (ferror(c->f))
		return malformed(c, strerror(errno));
	if (got < 8)
		return malformed(c, "it ends within a block");
	*type = get_u32(c, c->block);
	/* This type reads the same in both orders. */
	if (*type == BLOCK_SECTION) {
		if (order_read(c) < 0)
			return -1;
		done = 12;
	}
	if (!c->in_section)
		return malformed(c, "not in the pcapng format");
	*length = get_u32(c, c->block + 4);
	if (*length < done + 4 || *length % 4 || *length > CAPTURE_BLOCK_MAX)
		return malformed(c, "the length of a block is wrong");
	if (!bytes_read(c, done, *length - done))
		return malformed(c, "it ends within a block");
	if (get_u32(c, c->block + *length - 4) != *length)
		return malformed(c, "the lengths of a block differ");
	return 1;
}

/*
 * The option at *@at, which moves behind it; the value begins at *@value. Options end at @end,
 * or with one that says so. False: there are no more, or what follows is none.
 */
static bool option_next(const struct capture *c, size_t *at, size_t end, uint16_t *code,
			size_t *value, size_t *size)
{
	if (end - *at < 4)
		return false;
	*code = get_u16(c, c->block + *at);
	*size = get_u16(c, c->block + *at + 2);
	*value = *at + 4;
	if (*code == OPTION_END || end - *value < *size + padding_of(*size))
		return false;
	*at = *value + *size + padding_of(*size);
	return true;
}

static int section_take(struct capture *c, uint32_t length)
{
	if (length < 28)
		return malformed(c, "the length of a block is wrong");
	if (get_u16(c, c->block + 12) != 1)
		return malformed(c, "it is in a later format");
	return 0;
}

/* Ticks of a second, as the option has them; 0: none that fits. */
static uint64_t resolution_of(uint8_t how)
{
	uint64_t ticks = 1;
	unsigned int n = how & 0x7f;

	if (how & 0x80)
		return n < 63 ? 1ull << n : 0;
	for (; n && ticks <= UINT64_MAX / 10; n--)
		ticks *= 10;
	return n ? 0 : ticks;
}

static int interface_take(struct capture *c, uint32_t length)
{
	struct capture_interface i = { .ticks_per_s = 1000000 };
	size_t at = 16, value, size;
	bool is_user, described = false;
	uint16_t code;

	if (length < 20)
		return malformed(c, "the length of a block is wrong");
	if (c->n_interfaces == CAPTURE_INTERFACES)
		return malformed(c, "it has too many interfaces");
	is_user = get_u16(c, c->block + 8) == LINK_USER0;
	while (option_next(c, &at, length - 4, &code, &value, &size)) {
		if (code == INTERFACE_RESOLUTION && size == 1)
			i.ticks_per_s = resolution_of(c->block[value]);
		if (code == INTERFACE_DESCRIPTION)
			described = size == sizeof(description) - 1 &&
				    memcmp(c->block + value, description, size) == 0;
	}
	i.ours = is_user && described;
	if (i.ours && !i.ticks_per_s)
		return malformed(c, "its times cannot be read");
	c->interface[c->n_interfaces++] = i;
	return 0;
}

static uint64_t time_of(uint64_t ticks, uint64_t ticks_per_s)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)ticks * NS_PER_S / ticks_per_s);
}

/* The head of a packet of @size bytes at @at; @whole of the packet were there. 1 or -1. */
static int head_take(struct capture *c, size_t at, uint32_t size, uint32_t whole,
		     struct qbipc_monitor_record *r)
{
	struct packet_head head;
	uint32_t own;

	if (size < sizeof(head) || whole < size)
		return malformed(c, "a packet is too short");
	memcpy(&head, c->block + at, sizeof(head));
	own = be16toh(head.size);
	if (be16toh(head.version) != 1)
		return malformed(c, "its records are of a later version");
	if (own < sizeof(head) || own > size)
		return malformed(c, "a packet is too short");
	*r = (struct qbipc_monitor_record){
		.size = sizeof(*r),
		.kind = be32toh(head.kind),
		.id = (int32_t)be32toh(head.id),
		.number = be64toh(head.number),
		.message_size = whole - own,
		.pid = (int32_t)be32toh(head.pid),
		.uid = be32toh(head.uid),
		.gid = be32toh(head.gid),
		.error = (int32_t)be32toh(head.error),
		.native = be32toh(head.native),
		.max_msg_size = be32toh(head.max_msg_size),
		.bytes = size - own,
		.data = size > own ? c->block + at + own : NULL,
	};
	return 1;
}

/* 1: it is a record; 0: it is of others; -1. */
static int packet_take(struct capture *c, uint32_t length, struct qbipc_monitor_record *r)
{
	uint32_t from, size;
	size_t at = 28, value, n;
	uint16_t code;
	uint64_t ticks;
	int taken;

	c->packets++;
	if (length < 32)
		return malformed(c, "the length of a block is wrong");
	from = get_u32(c, c->block + 8);
	size = get_u32(c, c->block + 20);
	if (from >= c->n_interfaces)
		return malformed(c, "a packet is of no interface");
	if (size > length - 32)
		return malformed(c, "a packet is longer than its block");
	if (!c->interface[from].ours)
		return 0;
	taken = head_take(c, at, size, get_u32(c, c->block + 24), r);
	if (taken < 0)
		return taken;
	ticks = (uint64_t)get_u32(c, c->block + 12) << 32 | get_u32(c, c->block + 16);
	r->time_ns = time_of(ticks, c->interface[from].ticks_per_s);
	at += size + padding_of(size);
	if (at > length - 4)
		return malformed(c, "a packet is longer than its block");
	while (option_next(c, &at, length - 4, &code, &value, &n))
		if (code == PACKET_DROPPED && n == 8)
			r->lost = get_u64(c, c->block + value);
	return taken;
}

int capture_read(struct capture *c, struct qbipc_monitor_record *r)
{
	uint32_t type, length;
	int n;

	while ((n = block_read(c, &type, &length)) == 1) {
		switch (type) {
		case BLOCK_SECTION: n = section_take(c, length); break;
		case BLOCK_INTERFACE: n = interface_take(c, length); break;
		case BLOCK_PACKET: n = packet_take(c, length, r); break;
		default: n = 0; break;
		}
		if (n != 0)
			return n;
	}
	return n;
}
