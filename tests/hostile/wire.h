/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both wires once more, from docs/protocol.md and independent of lib/: what a peer of
 * another make, or an enemy, would write down. In the machine's own byte order.
 */
#ifndef HOSTILE_WIRE_H
#define HOSTILE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

enum {
	WIRE_AUTHENTICATE = -1,
	WIRE_DISCONNECT = -3,
	WIRE_MARK = 0x31434951,
	WIRE_VERSION = 1,
	WIRE_SMALLEST = 12328, /* agreed maximum, bytes */
	WIRE_NAME = 4096,
	WIRE_SOCKETS = 0, /* type */
	WIRE_MEMORY = 1,
};

struct wire_hello {
	int32_t id;
	uint32_t mark;
	int32_t size;
	uint32_t version;
	uint32_t max_msg_size;
	uint32_t abilities;
};

struct wire_welcome {
	int32_t id;
	uint32_t mark;
	int32_t size;
	uint32_t version;
	int32_t error;
	uint32_t abilities;
	int32_t type;
	uint32_t max_msg_size;
	uint64_t opaque;
	char request[WIRE_NAME];
	char response[WIRE_NAME];
	char event[WIRE_NAME];
};

_Static_assert(sizeof(struct wire_hello) == 24, "docs/protocol.md");
_Static_assert(sizeof(struct wire_welcome) == WIRE_SMALLEST, "docs/protocol.md");

enum wire_channel { REQUEST, RESPONSE, EVENT, CHANNELS };

/* Native: what comes with the answer. */
enum {
	NATIVE_COMMON_FD = 0,
	NATIVE_SENT_FD = 1, /* shared memory */
	NATIVE_MEMORY_FDS = 2,
	NATIVE_BELL_FD = 2, /* did not come, but was joined */
	NATIVE_CALL_FD = 1, /* sockets */
	NATIVE_EVENT_FD = 2,
	NATIVE_SOCKET_FDS = 3,
};

/* Of a first message that joins a bell. */
enum { ABILITY_BELL = 0x10 };

/* Native shared memory: offsets in the common memory, and records. */
enum {
	NATIVE_RING = 256, /* from the words of one ring to the next */
	NATIVE_TAIL = 0,
	NATIVE_HEAD = 128,
	NATIVE_TAKEN = 136,
	NATIVE_FLOW = 768,
	NATIVE_CLIENT_BODY = 1280, /* bytes of the largest body that the client takes */
	NATIVE_DATA = 4096,
	NATIVE_MESSAGE = 0x716d7367,
	NATIVE_TIMED = 0x716d7464, /* a deadline, then a message */
	NATIVE_CANCEL = 0x7163616e,
	NATIVE_PIECE = 0x71706365, /* size and offset, then a part of a body */
	NATIVE_WORD = 8,	   /* the deadline, or the number that is cancelled */
	NATIVE_RUNG = 1,
};

/* Payloads that may be used where they lie. */
#define NATIVE_IN_PLACE 16384u

struct native_record {
	uint32_t length;
	uint32_t kind;
};

/* Native sockets: in front of each piece. */
struct native_packet {
	uint32_t size;
	uint32_t offset;
};

/* Of a packet with a request: its last bytes are a deadline; it is a cancel. */
#define NATIVE_HAS_DEADLINE (1u << 31)
#define NATIVE_CANCELS UINT32_MAX
/* It says, by its offset, the largest body that the client takes. */
#define NATIVE_TAKES_BODIES (UINT32_MAX - 1)

/* libqb's wire: offsets in a header file, words of a chunk. */
enum {
	QB_WRITE = 0,
	QB_READ = 4,
	QB_WORDS = 8,
	QB_HEADER_PATH = 12,
	QB_DATA_PATH = 4108,
	QB_REFS = 8204,
	QB_BOTH = 8208, /* u64: sleepers << 32 | semaphore */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	QB_SLEEPERS = QB_BOTH,
	QB_SEMAPHORE = QB_BOTH + 4,
#else
	QB_SEMAPHORE = QB_BOTH,
	QB_SLEEPERS = QB_BOTH + 4,
#endif
	QB_USER = 8240,
	QB_HEADER_SIZE = 8248,
	QB_USER_SIZE = 4,
	QB_CHUNK_WORDS = 2,
	QB_CONTROL_SIZE = 24,
};
#define QB_VALID 0xa1a1a1a1u
#define QB_WRITING 0xa110ced0u
#define QB_CONSUMED 0xd0d0d0d0u

static inline uint64_t wire_round(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static inline uint64_t native_capacity(uint32_t max_msg_size)
{
	return wire_round(8 + wire_round(max_msg_size, 8) + 65536, 4096);
}

static inline uint64_t native_common(uint32_t max_msg_size)
{
	return NATIVE_DATA + native_capacity(max_msg_size);
}

static inline uint64_t native_sent(uint32_t max_msg_size)
{
	return 2 * native_capacity(max_msg_size);
}

static inline uint64_t qb_data_size(uint32_t max_msg_size)
{
	return wire_round((uint64_t)max_msg_size + 13, (uint64_t)sysconf(_SC_PAGESIZE));
}

#endif
