/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/false-server.h"

#include <sys/stat.h>

#include "base/util.h"
#include "ring/qbring-wire.h"
#include "ring/region.h"
#include "tests/fuzz/ends.h"
#include "wire/names.h"

/* Bytes of a message that is one. */
enum { MESSAGE = 24 };

static void message_fill(uint32_t message[MESSAGE / 4], struct input *in)
{
	memset(message, 0, MESSAGE);
	message[0] = input_u8(in);
	message[2] = MESSAGE;
}

/* -- Memory ---------------------------------------------------------------------------- */

static void word_write(int fd, struct input *in, uint8_t how)
{
	off_t at = how & 1 ? input_u16(in) : (off_t)input_u8(in) * 4;
	uint64_t value = how & 2 ? input_u64(in) : input_u8(in), now = 0;

	(void)!pread(fd, &now, sizeof(now), at);
	if (how & 4)
		value += now;
	(void)!pwrite(fd, &value, how & 8 ? 4 : 8, at);
}

/* A response or an event as a ring has it, and the byte that tells of it, or neither. */
static void record_put(struct false_server *s, struct input *in, uint8_t how)
{
	unsigned int which = how & 1 ? QBI_REGION_EVENT : QBI_REGION_RESPONSE;
	off_t words = (off_t)which * (off_t)sizeof(struct qbi_ring_words);
	uint32_t record[2 + MESSAGE / 4] = { MESSAGE, 0x716d7367 };
	uint64_t tail = 0, capacity;
	struct stat st;

	if (fstat(s->sent, &st) < 0 || st.st_size < 4 * MESSAGE)
		return; /* no rings */
	capacity = (uint64_t)st.st_size / 2;
	message_fill(record + 2, in);
	if (how & 2)
		record[0] = input_u8(in);
	(void)!pread(s->memory, &tail, sizeof(tail), words);
	tail &= ~(uint64_t)7;
	(void)!pwrite(s->sent, record, sizeof(record),
		      (off_t)((which == QBI_REGION_EVENT ? capacity : 0) + tail % capacity));
	tail += sizeof(record) + (how & 4 ? 1 : 0);
	(void)!pwrite(s->memory, &tail, sizeof(tail), words);
	if (how & 8)
		(void)send_with(which == QBI_REGION_EVENT || s->bell < 0 ? s->stream : s->bell,
				"", 1, NULL, 0);
}

/* -- Files ------------------------------------------------------------------------------- */

static int file_open(const char *dir, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void file_act(const char *dir, struct input *in, uint8_t how)
{
	static const char *const files[] = {
		"qb-request-f-header", "qb-response-f-header", "qb-event-f-header",
		"qb-request-f-data",   "qb-response-f-data",   "qb-event-f-data",
		"qb-request-f",
	};
	int fd = file_open(dir, files[how / 16 % QBI_ARRAY_SIZE(files)]);

	if (fd < 0)
		return;
	if (how % 16 == 15)
		(void)!ftruncate(fd, input_u8(in) * 128);
	else
		word_write(fd, in, how);
	close(fd);
}

/* A chunk that is one, or nearly, counted by the semaphore and told by a byte, or not. */
static void chunk_put(struct false_server *s, const char *dir, struct input *in, uint8_t how)
{
	const char *const *files =
		how & 1 ? (const char *const[]){ "qb-event-f-header", "qb-event-f-data" } :
			  (const char *const[]){ "qb-response-f-header", "qb-response-f-data" };
	int header = file_open(dir, files[0]), data = file_open(dir, files[1]);
	uint32_t chunk[2 + MESSAGE / 4] = { MESSAGE, QBI_QBRING_VALID }, write = 0, sem = 0;
	off_t sem_at = offsetof(struct qbi_qbring_header, sem);

	message_fill(chunk + 2, in);
	if (how & 2)
		chunk[0] = input_u8(in);
	(void)!pread(header, &write, sizeof(write), 0);
	(void)!pread(header, &sem, sizeof(sem), sem_at);
	(void)!pwrite(data, chunk, sizeof(chunk), (off_t)(write % 4096) * 4);
	write = (write % 4096 + sizeof(chunk) / 4) % 4096;
	sem++;
	if (!(how & 4))
		(void)!pwrite(header, &write, sizeof(write), 0);
	if (!(how & 8))
		(void)!pwrite(header, &sem, sizeof(sem), sem_at);
	if (how & 1 && how & 16)
		(void)send_with(s->stream, "", 1, NULL, 0);
	qbi_close(header);
	qbi_close(data);
}

/* -- Sockets ----------------------------------------------------------------------------- */

static int bound_socket(const struct qbi_welcome *w, const char *channel)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;

	if (qbi_channel_address(w->response, channel, &a) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void false_server_bind(struct false_server *s, const struct qbi_welcome *w)
{
	if (!memchr(w->response, 0, sizeof(w->response)))
		return;
	s->request = bound_socket(w, "request");
	s->events = bound_socket(w, "event-tx");
}

static void datagram_send(struct false_server *s, const struct qbi_welcome *w, struct input *in,
			  uint8_t how)
{
	uint8_t bytes[512];
	uint32_t message[MESSAGE / 4];
	size_t n = input_u8(in) * 2;
	struct sockaddr_un to;
	int fd = how & 1 ? s->events : s->request;

	if (fd < 0 || qbi_channel_address(w->response, how & 1 ? "event" : "response", &to) < 0)
		return;
	(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (how & 2) {
		input_bytes(in, bytes, n);
		(void)send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		message_fill(message, in);
		(void)send(fd, message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

/* One of its ends, else the stream; -1: that is closed. */
static int socket_pick(const struct false_server *s, unsigned int which)
{
	if (which < s->n_sockets)
		return s->sockets[which];
	return which == 3 && s->bell >= 0 ? s->bell : s->stream;
}

/* A packet with a header that fits, or anything; and descriptors now and then. */
static void socket_send(struct false_server *s, struct input *in, uint8_t how)
{
	int fd = socket_pick(s, how % 4);
	uint8_t bytes[512];
	uint32_t packet[2 + MESSAGE / 4] = { MESSAGE, 0 };
	const int fds[] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	size_t n;

	if (fd < 0)
		return;
	if (how & 4) {
		message_fill(packet + 2, in);
		packet[1] = how & 8 ? input_u8(in) : 0;
		(void)send_with(fd, packet, sizeof(packet), fds, how / 64);
		return;
	}
	n = input_u8(in) * 2;
	input_bytes(in, bytes, n);
	(void)send_with(fd, bytes, n, fds, how / 64);
}

static void hang_up(struct false_server *s, uint8_t how)
{
	int fd = socket_pick(s, how / 4 % 4);

	if (fd >= 0)
		shutdown(fd, how % 3);
}

void false_server_act(struct false_server *s, const struct qbi_welcome *w, const char *dir,
		      struct input *in)
{
	uint8_t what = input_u8(in), how = input_u8(in);

	switch (what % 8) {
	case 0: word_write(s->memory, in, how); break;
	case 1:
	case 2: record_put(s, in, how); break;
	case 3: file_act(dir, in, how); break;
	case 4: chunk_put(s, dir, in, how); break;
	case 5: datagram_send(s, w, in, how); break;
	case 6: socket_send(s, in, how); break;
	default: hang_up(s, how); break;
	}
}

void false_server_close(struct false_server *s)
{
	for (unsigned int i = 0; i < s->n_sockets; i++)
		close(s->sockets[i]);
	qbi_close(s->stream);
	qbi_close(s->bell);
	qbi_close(s->memory);
	qbi_close(s->sent);
	qbi_close(s->request);
	qbi_close(s->events);
}
