/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints what docs/protocol.md says about numbers, as the code has them: one line per
 * fact, which is the beginning of a row there. test-docs looks them up.
 */
#include <stddef.h>
#include <stdio.h>

#include "ring/qbring-wire.h"
#include "ring/region.h"
#include "wire/handshake.h"
#include "wire/names.h"
#include "wire/description.h"
#include "wire/monitor.h"
#include "wire/page.h"
#include "wire/snapshot.h"

#define FIELD(type, field, text) printf("| " text " @%zu |\n", offsetof(struct type, field))
#define WORD(field, text)                                                                      \
	printf("| %zu | " text " |\n", offsetof(struct qbi_region_words, field))

static void print_handshake(void)
{
	printf("### First message, client to server: %zu bytes\n", sizeof(struct qbi_hello));
	printf("### Answer, server to client: %zu bytes\n", sizeof(struct qbi_welcome));
	FIELD(qbi_hello, max_msg_size, "`max_msg_size` | u32");
	printf("| `mark` | u32 @%zu | 0x%x, the bytes `%.4s`;\n",
	       offsetof(struct qbi_hello, mark), QBI_WIRE_MARK,
	       (const char *)&(uint32_t){ QBI_WIRE_MARK });
	FIELD(qbi_hello, version, "`version` | u32");
	FIELD(qbi_hello, abilities, "`abilities` | u32");
	FIELD(qbi_welcome, error, "`error` | i32");
	FIELD(qbi_welcome, type, "`type` | i32");
	FIELD(qbi_welcome, max_msg_size, "`max_msg_size` | u32");
	FIELD(qbi_welcome, opaque, "`opaque` | u64");
	FIELD(qbi_welcome, request, "`request` | 4096 bytes");
	FIELD(qbi_welcome, response, "`response` | 4096 bytes");
	FIELD(qbi_welcome, event, "`event` | 4096 bytes");
	printf("| name of a service | %d bytes |\n", QBI_SERVICE_NAME_MAX);
	printf("| largest message, agreed at least | %u bytes |\n", QBI_MIN_MSG_SIZE);
	printf("| largest message, at most on the wire | 2^%d bytes |\n",
	       __builtin_ctz(QBI_MAX_MSG_SIZE));
}

static void print_snapshot(void)
{
	printf("| 0x%x | probe:\n", QBI_ABILITY_PROBE);
	printf("| 0x%x | watch:\n", QBI_ABILITY_WATCH);
	printf("| 0x%x | sample:\n", QBI_ABILITY_SAMPLE);
	printf("The head, %zu bytes:\n", sizeof(struct qbi_snapshot_head));
	printf("| `mark` | u32 @%zu | 0x%x, the bytes `%.4s` |\n",
	       offsetof(struct qbi_snapshot_head, mark), QBI_SNAPSHOT_MARK,
	       (const char *)&(uint32_t){ QBI_SNAPSHOT_MARK });
	FIELD(qbi_snapshot_head, head_size, "`head_size` | u32");
	FIELD(qbi_snapshot_head, record_size, "`record_size` | u32");
	FIELD(qbi_snapshot_head, records, "`records` | u32");
	FIELD(qbi_snapshot_head, connections, "`connections` | u32");
	FIELD(qbi_snapshot_head, service_id, "`service_id` | i32");
	FIELD(qbi_snapshot_head, flow, "`flow` | u32");
	FIELD(qbi_snapshot_head, more, "`more` | u32");
	FIELD(qbi_snapshot_head, closed, "`closed` | u64");
	FIELD(qbi_snapshot_head, time_ns, "`time_ns` | u64");
	FIELD(qbi_snapshot_head, requests, "`requests` | u64");
	FIELD(qbi_snapshot_head, responses, "`responses` | u64");
	FIELD(qbi_snapshot_head, events, "`events` | u64");
	FIELD(qbi_snapshot_head, send_retries, "`send_retries` | u64");
	FIELD(qbi_snapshot_head, recv_retries, "`recv_retries` | u64");
	FIELD(qbi_snapshot_head, flow_control_count, "`flow_control_count` | u64");
	printf("`refusals` | %d u64 @%zu |\n", QBI_SNAPSHOT_REFUSALS,
	       offsetof(struct qbi_snapshot_head, refusals));
	FIELD(qbi_snapshot_head, timing, "`timing` | u32");
	FIELD(qbi_snapshot_head, reserved, "`reserved` | u32");
	FIELD(qbi_snapshot_head, process, "`process` | times");
	FIELD(qbi_snapshot_head, lateness, "`lateness` | times");
	printf("Times are %zu bytes: their sum in nanoseconds, u64, and %d u64\n",
	       sizeof(struct qbi_snapshot_times), QBI_SNAPSHOT_BUCKETS);
	printf("A record, %zu bytes:\n", sizeof(struct qbi_snapshot_record));
	FIELD(qbi_snapshot_record, number, "`number` | u64");
	FIELD(qbi_snapshot_record, pid, "`pid` | i32");
	FIELD(qbi_snapshot_record, uid, "`uid` | u32");
	FIELD(qbi_snapshot_record, gid, "`gid` | u32");
	FIELD(qbi_snapshot_record, native, "`native` | u32");
	FIELD(qbi_snapshot_record, max_msg_size, "`max_msg_size` | u32");
	FIELD(qbi_snapshot_record, flow, "`flow` | u32");
	FIELD(qbi_snapshot_record, events_queued, "`events_queued` | u32");
	FIELD(qbi_snapshot_record, why, "`why` | u32");
	FIELD(qbi_snapshot_record, requests, "`requests` | u64");
	FIELD(qbi_snapshot_record, responses, "`responses` | u64");
	FIELD(qbi_snapshot_record, events, "`events` | u64");
	FIELD(qbi_snapshot_record, send_retries, "`send_retries` | u64");
	FIELD(qbi_snapshot_record, recv_retries, "`recv_retries` | u64");
	FIELD(qbi_snapshot_record, flow_control_count, "`flow_control_count` | u64");
	FIELD(qbi_snapshot_record, age_ns, "`age_ns` | u64");
	printf("| connections in a page of a snapshot | %u |\n", QBI_SNAPSHOT_RECORDS);
}

static void print_description(void)
{
	printf("| 0x%x | describe:\n", QBI_ABILITY_DESCRIBE);
	printf("The head of a description, %zu bytes:\n", sizeof(struct qbi_description_head));
	printf("| `mark` | u32 @%zu | 0x%x, the bytes `%.4s` |\n",
	       offsetof(struct qbi_description_head, mark), QBI_DESCRIPTION_MARK,
	       (const char *)&(uint32_t){ QBI_DESCRIPTION_MARK });
	FIELD(qbi_description_head, more, "`more` | u32");
	FIELD(qbi_description_head, service_id, "`service_id` | i32");
	FIELD(qbi_description_head, handlers, "`handlers` | u32");
	FIELD(qbi_description_head, flags, "`flags` | u32");
	printf("A record of a description, %zu bytes:\n",
	       sizeof(struct qbi_description_record));
	FIELD(qbi_description_record, id, "`id` | i32");
	FIELD(qbi_description_record, flags, "`flags` | u32");
	FIELD(qbi_description_record, min_size, "`min_size` | u64");
	printf("| `name` | %d bytes @%zu |", QBI_DESCRIPTION_NAME,
	       offsetof(struct qbi_description_record, name));
	printf("\n| handlers in a page of a description | %u |\n", QBI_DESCRIPTION_RECORDS);
	printf("| handlers that a reader takes | %u |\n", QBI_DESCRIPTION_HANDLERS);
	printf("| bytes of a page that a reader takes | %u MiB |\n", QBI_PAGE_MAX >> 20);
}

static void print_monitor(void)
{
	printf("| 0x%x | monitor:\n", QBI_ABILITY_MONITOR);
	printf("what it wants, %zu bytes.\n", sizeof(struct qbi_monitor_wish));
	printf("| `mark` | u32 @%zu | 0x%x, the bytes `%.4s` |\n",
	       offsetof(struct qbi_monitor_wish, mark), QBI_MONITOR_MARK,
	       (const char *)&(uint32_t){ QBI_MONITOR_MARK });
	FIELD(qbi_monitor_wish, kinds, "`kinds` | u32");
	FIELD(qbi_monitor_wish, bytes, "`bytes` | u32");
	FIELD(qbi_monitor_wish, number, "`number` | u64");
	FIELD(qbi_monitor_wish, pid, "`pid` | i32");
	FIELD(qbi_monitor_wish, by_id, "`by_id` | u32");
	FIELD(qbi_monitor_wish, id, "`id` | i32");
	FIELD(qbi_monitor_wish, zero, "`zero` | u32");
	printf("sends a head of %zu bytes\n", sizeof(struct qbi_monitor_head));
	FIELD(qbi_monitor_head, mode, "`mode` | u32");
	FIELD(qbi_monitor_head, service_id, "`service_id` | i32");
	FIELD(qbi_monitor_head, time_ns, "`time_ns` | u64");
	FIELD(qbi_monitor_head, realtime_ns, "`realtime_ns` | u64");
	printf("A record, %zu bytes;\n", sizeof(struct qbi_monitor_record));
	printf("of the message, that follow, at most %u |\n", QBI_MONITOR_BYTES);
	FIELD(qbi_monitor_record, kind, "`kind` | u32");
	FIELD(qbi_monitor_record, pid, "`pid` | i32");
	FIELD(qbi_monitor_record, time_ns, "`time_ns` | u64");
	FIELD(qbi_monitor_record, number, "`number` | u64");
	FIELD(qbi_monitor_record, lost, "`lost` | u64");
	FIELD(qbi_monitor_record, msg_size, "`msg_size` | u64");
	FIELD(qbi_monitor_record, uid, "`uid` | u32");
	FIELD(qbi_monitor_record, gid, "`gid` | u32");
	FIELD(qbi_monitor_record, native, "`native` | u32");
	FIELD(qbi_monitor_record, max_size, "`max_size` | u32");
	FIELD(qbi_monitor_record, id, "`id` | i32");
	FIELD(qbi_monitor_record, error, "`error` | i32");
	printf("up to %u bytes.\n", QBI_MONITOR_HEAD_MAX);
	printf("| bytes of a message in a record of a monitor | %u KiB |\n",
	       QBI_MONITOR_BYTES >> 10);
}

static void print_why(void)
{
	printf("    code + call * %d + errno * %d\n", 1 << QBI_WHY_CALL_SHIFT,
	       1 << QBI_WHY_ERROR_SHIFT);
	printf("| %d | switched off at the server | server |\n", QBIPC_WHY_SERVER_OFF);
	printf("| %d | switched off at the client | client |\n", QBIPC_WHY_CLIENT_OFF);
	printf("| %d | the client could not open files of the connection's owner and mode | "
	       "server |\n",
	       QBIPC_WHY_OWNER);
	printf("| %d | the system refuses the server a call | server |\n",
	       QBIPC_WHY_SERVER_REFUSED);
	printf("| %d | the system refuses the client a call | client |\n",
	       QBIPC_WHY_CLIENT_REFUSED);
	printf("| %d | the server is short of", QBIPC_WHY_SERVER_SHORT);
	printf("\n| %d | the client is, likewise | client |\n", QBIPC_WHY_CLIENT_SHORT);
	printf("| %d | overcommit is forbidden | either |\n", QBIPC_WHY_OVERCOMMIT);
	printf("| %d | `memfd_create` | %d | `recvmsg` with descriptors |\n",
	       QBI_CALL_MEMFD_CREATE, QBI_CALL_RECVMSG);
	printf("| %d | `ftruncate` | %d | `fstat` |\n", QBI_CALL_FTRUNCATE, QBI_CALL_FSTAT);
	printf("| %d | `fcntl`: seals | %d | `fstatfs` |\n", QBI_CALL_SEALS, QBI_CALL_FSTATFS);
	printf("| %d | `mmap` | %d | `getsockopt` |\n", QBI_CALL_MMAP, QBI_CALL_GETSOCKOPT);
	printf("| %d | `socketpair` | %d | `open` of `/proc/self/fd` |\n", QBI_CALL_SOCKETPAIR,
	       QBI_CALL_OPEN);
	printf("| %d | `getrandom` | %d | `fchmod` |\n", QBI_CALL_GETRANDOM, QBI_CALL_FCHMOD);
	printf("| %d | `socket` of the bell | %d | `connect` of the bell |\n", QBI_CALL_SOCKET,
	       QBI_CALL_CONNECT);
}

static void print_old_ring(void)
{
	printf("%d bytes; %d for the request ring\n", QBI_QBRING_HEADER_SIZE,
	       QBI_QBRING_HEADER_SIZE + QBI_QBRING_USER_SIZE);
	FIELD(qbi_qbring_header, write_pt, "`write_pt` | u32");
	FIELD(qbi_qbring_header, read_pt, "`read_pt` | u32");
	FIELD(qbi_qbring_header, word_size, "`word_size` | u32");
	FIELD(qbi_qbring_header, header_path, "header path | 4096 bytes");
	FIELD(qbi_qbring_header, data_path, "data path | 4096 bytes");
	FIELD(qbi_qbring_header, ref_count, "`ref_count` | i32");
	FIELD(qbi_qbring_header, sem, "semaphore | 32 bytes");
	FIELD(qbi_qbring_header, user_data, "user data | i32");
	printf("| 1 | magic: 0x%X being written, 0x%X valid, 0x%X consumed |\n",
	       QBI_QBRING_WRITING, QBI_QBRING_VALID, QBI_QBRING_CONSUMED);
}

static void print_region(void)
{
	static const uint32_t sizes[] = { 12328, 131072, 1048576 };

	WORD(ring[QBI_REGION_REQUEST].tail, "request `tail` u64");
	WORD(ring[QBI_REGION_REQUEST].head, "request `head` u64");
	WORD(ring[QBI_REGION_REQUEST].taken, "request `taken` u32");
	WORD(ring[QBI_REGION_REQUEST].passed, "request `passed` u64");
	WORD(ring[QBI_REGION_RESPONSE].passed, "response `passed` u64");
	WORD(ring[QBI_REGION_EVENT].passed, "event `passed` u64");
	WORD(ring[QBI_REGION_RESPONSE].tail, "response `tail` u64");
	WORD(ring[QBI_REGION_RESPONSE].head, "response `head` u64");
	WORD(ring[QBI_REGION_RESPONSE].taken, "response `taken` u32");
	WORD(ring[QBI_REGION_EVENT].tail, "event `tail` u64");
	WORD(ring[QBI_REGION_EVENT].head, "event `head` u64");
	WORD(ring[QBI_REGION_EVENT].taken, "event `taken` u32");
	WORD(flow, "`flow` u32");
	WORD(server_cpu, "`server_cpu` u32");
	WORD(server_rang, "`server_rang` u64");
	WORD(client_cpu, "`client_cpu` u32");
	WORD(client_rang, "`client_rang` u64");
	WORD(server_body, "`server_body` u32");
	WORD(client_body, "`client_body` u32");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t capacity = qbi_ring_capacity(sizes[i]);

		printf("| %u | %llu | %llu | %llu |\n", sizes[i], (unsigned long long)capacity,
		       (unsigned long long)(4096 + capacity),
		       (unsigned long long)(2 * capacity));
	}
}

int main(void)
{
	print_handshake();
	print_snapshot();
	print_description();
	print_monitor();
	print_why();
	print_old_ring();
	print_region();
	return 0;
}
