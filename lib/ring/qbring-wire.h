/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layout of the ring files on libqb's wire: 64-bit Linux, byte order of the machine. */
#ifndef QBI_RING_QBRING_WIRE_H
#define QBI_RING_QBRING_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "ring/shared.h"

/* Layout of glibc's 64-bit sem_t. One 64-bit word has the value in its low half and the
 * number of sleepers in its high half; a sleeper waits while the low half is 0. */
union qbi_qbring_sem {
	struct {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		qbi_shared_u32 sleepers;
		qbi_shared_u32 value;
#else
		qbi_shared_u32 value;	 /* chunks queued: producer up, consumer down */
		qbi_shared_u32 sleepers; /* consumer */
#endif
	};
	qbi_shared_u64 both;
	unsigned char bytes[32];
};

#define QBI_QBRING_SEM_SLEEPER ((uint64_t)1 << 32)

struct qbi_qbring_header {
	qbi_shared_u32 write_pt; /* word index, producer */
	qbi_shared_u32 read_pt;	 /* word index, consumer */
	uint32_t word_size;	 /* words of the data file, creator */
	char header_path[4096];	 /* creator, for debugging; we never read it */
	char data_path[4096];
	qbi_shared_u32 ref_count; /* server stores 1, client adds 1 */
	union qbi_qbring_sem sem;
	qbi_shared_u32 user_data; /* server: flow control */
	uint32_t padding;
};

_Static_assert(offsetof(struct qbi_qbring_header, header_path) == 12, "wire");
_Static_assert(offsetof(struct qbi_qbring_header, data_path) == 4108, "wire");
_Static_assert(offsetof(struct qbi_qbring_header, ref_count) == 8204, "wire");
_Static_assert(offsetof(struct qbi_qbring_header, sem) == 8208, "wire");
_Static_assert(offsetof(struct qbi_qbring_header, user_data) == 8240, "wire");
_Static_assert(sizeof(struct qbi_qbring_header) == 8248, "wire");

#define QBI_QBRING_HEADER_SIZE 8248
#define QBI_QBRING_USER_SIZE 4 /* bytes that the user data adds to the file */

/* A chunk is its size in bytes, a magic, and the payload rounded up to words. */
#define QBI_QBRING_CHUNK_WORDS 2
/* Alignment of a message that is used where it lies: that of its header. */
#define QBI_IN_PLACE_ALIGN 8
/* Bytes that must be free beyond a payload, so that write never meets read. */
#define QBI_QBRING_MARGIN 12

#define QBI_QBRING_VALID 0xA1A1A1A1U
#define QBI_QBRING_WRITING 0xA110CED0U
#define QBI_QBRING_CONSUMED 0xD0D0D0D0U

#endif
