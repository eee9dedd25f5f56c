/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is behind the handshake: the four transports, as docs/protocol.md has them. */
#include "tests/hostile/raw-wires.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/report.h"
#include "tests/lib/message.h"

static unsigned char *file_map(int fd, size_t size)
{
	bool for_reading = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
	void *base = mmap(NULL, size, for_reading ? PROT_READ : PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	REQUIRE_MSG(base != MAP_FAILED, "cannot map what the server gave");
	return base;
}

/* -- Native shared memory ------------------------------------------------------- */

void native_memory_open(struct raw *p)
{
	uint64_t capacity = native_capacity(p->max_msg_size);

	REQUIRE_EQ(p->n_fds, NATIVE_MEMORY_FDS);
	p->memory_size = native_common(p->max_msg_size);
	p->memory = file_map(p->fds[NATIVE_COMMON_FD], p->memory_size);
	p->sent_size = native_sent(p->max_msg_size);
	p->sent = file_map(p->fds[NATIVE_SENT_FD], p->sent_size);
	for (unsigned int i = 0; i < CHANNELS; i++) {
		p->ring[i].words = p->memory + (size_t)i * NATIVE_RING;
		p->ring[i].size = capacity;
	}
	p->ring[REQUEST].data = p->memory + NATIVE_DATA;
	p->ring[RESPONSE].data = p->sent;
	p->ring[EVENT].data = p->sent + capacity;
}

/* Round the end of the data. */
static void bytes_put(struct raw_ring *r, uint64_t at, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		r->data[(at + i) % r->size] = ((const unsigned char *)from)[i];
}

static void bytes_get(struct raw_ring *r, uint64_t at, void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)to)[i] = r->data[(at + i) % r->size];
}

/* From a record at @at to its payload, which is aligned where it may be used in place. */
static uint64_t native_lead(uint64_t at, uint64_t length)
{
	return sizeof(struct native_record) + (length >= NATIVE_IN_PLACE ? (at + 8) % 16 : 0);
}

static uint64_t native_stride(uint64_t at, uint64_t length)
{
	return native_lead(at, length) + wire_round(length + (length >= NATIVE_IN_PLACE), 8);
}

int native_put(struct raw *p, enum wire_channel channel, const struct native_record *record,
	       const void *msg, size_t size, bool *ret_ring)
{
	struct raw_ring *r = &p->ring[channel];
	uint64_t stride = native_stride(r->at, size), old;

	if (r->at - get_u64(r->words + NATIVE_HEAD) + stride > r->size)
		return -EAGAIN;
	bytes_put(r, r->at, record, sizeof(*record));
	bytes_put(r, r->at + native_lead(r->at, size), msg, size);
	r->at += stride;
	old = __atomic_exchange_n((uint64_t *)(void *)(r->words + NATIVE_TAIL),
				  r->at | NATIVE_RUNG, __ATOMIC_SEQ_CST);
	*ret_ring = !(old & NATIVE_RUNG);
	return 0;
}

/* The deadline of a request is exchanged for 0 as it is taken; true: it was cancelled before. */
static bool native_claim(struct raw_ring *r)
{
	uint64_t at = (r->at + sizeof(struct native_record)) % r->size;

	return __atomic_exchange_n((uint64_t *)(void *)(r->data + at), 0, __ATOMIC_SEQ_CST) ==
	       1;
}

/* A request with a deadline, or a cancel. The size of the message; -1: cancelled. */
static ssize_t native_take_timed(struct raw_ring *r, const struct native_record *record,
				 void *buf, size_t size)
{
	size_t length = record->length - NATIVE_WORD;
	bool seen = record->kind == NATIVE_TIMED && !native_claim(r);

	REQUIRE(record->length >= NATIVE_WORD && length <= size);
	bytes_get(r, r->at + sizeof(*record) + NATIVE_WORD, buf, length);
	r->at += sizeof(*record) + wire_round(record->length, 8);
	return seen ? (ssize_t)length : -1;
}

/* We never arm, so nobody rings us: we look. What is cancelled goes unseen. */
ssize_t native_take(struct raw *p, enum wire_channel channel, void *buf, size_t size)
{
	struct raw_ring *r = &p->ring[channel];
	struct native_record record;
	ssize_t n = -1;

	while (n < 0) {
		if ((get_u64(r->words + NATIVE_TAIL) & ~(uint64_t)NATIVE_RUNG) == r->at)
			return -EAGAIN;
		bytes_get(r, r->at, &record, sizeof(record));
		if (channel == REQUEST &&
		    (record.kind == NATIVE_TIMED || record.kind == NATIVE_CANCEL)) {
			n = native_take_timed(r, &record, buf, size);
		} else {
			REQUIRE_EQ(record.kind, NATIVE_MESSAGE);
			REQUIRE(record.length <= size);
			bytes_get(r, r->at + native_lead(r->at, record.length), buf,
				  record.length);
			r->at += native_stride(r->at, record.length);
			n = (ssize_t)record.length;
		}
		put_u64(r->words + NATIVE_HEAD, r->at);
	}
	return n;
}

/* -- Native sockets ------------------------------------------------------------- */

void native_sockets_open(struct raw *p)
{
	REQUIRE_EQ(p->n_fds, NATIVE_SOCKET_FDS);
	p->memory_size = NATIVE_DATA;
	p->memory = file_map(p->fds[NATIVE_COMMON_FD], p->memory_size);
}

static int packet_put(struct raw *p, const void *msg, size_t size)
{
	struct native_packet packet = { (uint32_t)size, 0 };
	struct iovec iov[2] = { { &packet, sizeof(packet) }, { (void *)(uintptr_t)msg, size } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(p->fds[1], &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static ssize_t packet_take(int fd, void *buf, size_t size)
{
	struct native_packet packet;
	struct iovec iov[2] = { { &packet, sizeof(packet) }, { buf, size } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_DONTWAIT);
	while (n > 0 && packet.size >= NATIVE_TAKES_BODIES);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	if (packet.size & NATIVE_HAS_DEADLINE)
		n -= NATIVE_WORD;
	return n - (ssize_t)sizeof(packet);
}

/* -- libqb's wire: files --------------------------------------------------------- */

static void ring_file_open(struct raw_ring *r, int which, const char *name, const char *suffix)
{
	snprintf(r->path[which], sizeof(r->path[which]), "%.100s%s", name, suffix);
	r->files[which] = open(r->path[which], O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	REQUIRE_MSG(r->files[which] >= 0, "%s: %s", r->path[which], strerror(errno));
}

void qb_memory_open(struct raw *p)
{
	const char *names[CHANNELS] = { p->welcome.request, p->welcome.response,
					p->welcome.event };

	for (int i = 0; i < CHANNELS; i++) {
		struct raw_ring *r = &p->ring[i];

		ring_file_open(r, 0, names[i], "-header");
		ring_file_open(r, 1, names[i], "-data");
		r->size = qb_data_size(p->max_msg_size);
		r->words = file_map(r->files[0], QB_HEADER_SIZE + QB_USER_SIZE);
		r->data = file_map(r->files[1], r->size);
	}
}

static void words_put(struct raw_ring *r, uint64_t word, uint32_t value)
{
	put_u32(r->data + word * 4 % r->size, value);
}

int qb_put(struct raw *p, enum wire_channel channel, uint32_t length, uint32_t magic,
	   const void *msg, size_t size)
{
	struct raw_ring *r = &p->ring[channel];
	uint64_t words = r->size / 4, read = get_u32(r->words + QB_READ);
	uint64_t room = (read + words - r->at - 1) % words;

	if (4 * room < size + 12)
		return -EAGAIN;
	bytes_put(r, (r->at + QB_CHUNK_WORDS) * 4, msg, size);
	words_put(r, r->at, length);
	words_put(r, r->at + 1, magic);
	r->at = (r->at + QB_CHUNK_WORDS + (size + 3) / 4) % words;
	put_u32(r->words + QB_WRITE, (uint32_t)r->at);
	__atomic_fetch_add((uint64_t *)(void *)(r->words + QB_BOTH), 1, __ATOMIC_SEQ_CST);
	return 0;
}

ssize_t qb_take(struct raw *p, enum wire_channel channel, void *buf, size_t size)
{
	struct raw_ring *r = &p->ring[channel];
	uint64_t words = r->size / 4;
	uint32_t length;

	if (get_u32(r->words + QB_SEMAPHORE) == 0)
		return -EAGAIN;
	__atomic_fetch_sub((uint32_t *)(void *)(r->words + QB_SEMAPHORE), 1, __ATOMIC_SEQ_CST);
	length = get_u32(r->data + r->at * 4);
	REQUIRE_EQ(get_u32(r->data + (r->at + 1) % words * 4), QB_VALID);
	REQUIRE(length <= size);
	bytes_get(r, (r->at + QB_CHUNK_WORDS) * 4, buf, length);
	words_put(r, r->at, 0);
	words_put(r, r->at + 1, QB_CONSUMED);
	r->at = (r->at + QB_CHUNK_WORDS + (length + 3) / 4) % words;
	put_u32(r->words + QB_READ, (uint32_t)r->at);
	return (ssize_t)length;
}

/* -- libqb's wire: sockets ------------------------------------------------------- */

static int datagram_socket(const char *prefix, const char *mine, const char *theirs)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char name[200];

	REQUIRE(fd >= 0);
	snprintf(name, sizeof(name), "%.100s-%s", prefix, mine);
	raw_address(&address, name);
	REQUIRE_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	snprintf(name, sizeof(name), "%.100s-%s", prefix, theirs);
	raw_address(&address, name);
	REQUIRE_EQ(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void qb_sockets_open(struct raw *p)
{
	int fd = open(p->welcome.request, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	REQUIRE_MSG(fd >= 0, "%s: %s", p->welcome.request, strerror(errno));
	p->memory_size = QB_CONTROL_SIZE;
	p->memory = file_map(fd, p->memory_size);
	p->ring[REQUEST].files[0] = fd;
	p->response = datagram_socket(p->welcome.response, "response", "request");
	p->event = datagram_socket(p->welcome.response, "event", "event-tx");
}

/* -- All four --------------------------------------------------------------------- */

int raw_queue(struct raw *p, const void *msg, size_t size)
{
	struct native_record record = { (uint32_t)size, NATIVE_MESSAGE };
	bool ring;

	if (p->native && p->type == WIRE_MEMORY)
		return native_put(p, REQUEST, &record, msg, size, &ring);
	if (p->native)
		return packet_put(p, msg, size);
	if (p->type == WIRE_MEMORY)
		return qb_put(p, REQUEST, (uint32_t)size, QB_VALID, msg, size);
	return send(p->response, msg, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void raw_queue_lie(struct raw *p, uint32_t length, uint32_t kind, const void *msg, size_t size)
{
	struct native_record record = { length, kind };
	bool ring;

	REQUIRE_EQ(p->type, WIRE_MEMORY);
	if (p->native)
		REQUIRE_EQ(native_put(p, REQUEST, &record, msg, size, &ring), 0);
	else
		REQUIRE_EQ(qb_put(p, REQUEST, length, kind, msg, size), 0);
}

void raw_wake(struct raw *p, size_t n)
{
	char bytes[256] = "";

	while (n > 0) {
		ssize_t sent = send(p->stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN && !raw_is_dropped(p)) {
			pause_briefly();
			continue;
		}
		if (sent <= 0)
			return; /* the server has had enough */
		n -= (size_t)sent;
	}
}

int raw_send(struct raw *p, const void *msg, size_t size)
{
	struct native_record record = { (uint32_t)size, NATIVE_MESSAGE };
	bool ring = !p->native && p->type == WIRE_MEMORY;
	int r;

	if (p->native && p->type == WIRE_MEMORY)
		r = native_put(p, REQUEST, &record, msg, size, &ring);
	else
		r = raw_queue(p, msg, size);
	if (r == 0 && ring)
		raw_wake(p, 1);
	return r;
}

ssize_t raw_take(struct raw *p, enum wire_channel channel, void *buf, size_t size)
{
	ssize_t n;

	if (p->type == WIRE_MEMORY)
		return p->native ? native_take(p, channel, buf, size) :
				   qb_take(p, channel, buf, size);
	if (p->native)
		return packet_take(p->fds[channel == EVENT ? 2 : 1], buf, size);
	n = recv(channel == EVENT ? p->event : p->response, buf, size, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

ssize_t raw_receive(struct raw *p, void *buf, size_t size)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	ssize_t n;

	while ((n = raw_take(p, RESPONSE, buf, size)) == -EAGAIN && now_ms() < end)
		sched_yield();
	return n;
}

void raw_call(struct raw *p, int32_t id, size_t size)
{
	size_t body = size - sizeof(struct request);
	struct request *request = calloc(1, size);
	struct response *response = calloc(1, size + sizeof(*response));

	REQUIRE(request && response);
	request->hdr.id = id;
	request->hdr.size = (int32_t)size;
	pattern_fill(request->body, body, (uint32_t)id);
	REQUIRE_EQ(raw_send(p, request, size), 0);
	REQUIRE_EQ(raw_receive(p, response, size + sizeof(*response)),
		   (long long)(sizeof(*response) + body));
	REQUIRE_EQ(response->hdr.id, id);
	REQUIRE(pattern_matches(response->body, body, (uint32_t)id));
	free(request);
	free(response);
}
