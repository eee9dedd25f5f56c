/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets of the native wire over sockets: a receiver that is sent anything, and a sender
 * whose small buffer makes it send in pieces, against a reading of docs/protocol.md that is
 * written down here a second time.
 *
 * The input is the receiver's maximum, whether it receives requests, and a list of packets and
 * receive calls. Each call returns what the second reading says; what a sender sends is put
 * together again.
 */
#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "transport/packets.h"

enum { MAX = 3000, QUEUE = 256, PACKET_MAX = 8 + MAX + 64, STEPS = 512 };

struct packet {
	size_t size;
	uint8_t bytes[PACKET_MAX];
};

/* What is on its way, and what the second reader has of a message of several pieces. */
static struct packet queue[QUEUE];
static unsigned int first, last;
static uint8_t whole[MAX];
static uint32_t whole_size, whole_done;
static bool in_pieces;
static uint32_t max_msg_size, body_most; /* the latter not below the former */

/* Requests may have a deadline, and may be cancelled: what the last eight bytes said. */
enum { WORD = 8 };
#define TIMED_BIT 0x80000000u
static bool requests, timed;
static uint64_t deadline, number;

/* A client says which bodies it takes. */
#define LIMIT 0xfffffffeu
static uint32_t told;

static uint32_t word(const struct packet *p, size_t at)
{
	uint32_t v;

	memcpy(&v, p->bytes + at, sizeof(v));
	return v;
}

/* 0, QBI_TIMED or QBI_BODY the message is whole, QBI_EMPTY more is needed. */
static int message_state(void)
{
	if (!in_pieces || whole_done != whole_size)
		return QBI_EMPTY;
	if (requests && whole_size > max_msg_size)
		return QBI_BODY;
	return timed ? QBI_TIMED : 0;
}

/* As above; or QBI_CANCEL; QBI_PARTIAL what a client takes; -EBADMSG. */
static int packet_read(const struct packet *p)
{
	uint32_t size, offset, piece;

	if (p->size < 8)
		return -EBADMSG;
	size = word(p, 0);
	offset = word(p, 4);
	piece = (uint32_t)p->size - 8;
	if (requests && !in_pieces && size == LIMIT) {
		told = offset;
		return piece ? -EBADMSG : QBI_PARTIAL;
	}
	if (requests && !in_pieces && size & TIMED_BIT) {
		uint64_t said;

		if (piece < WORD)
			return -EBADMSG;
		piece -= WORD;
		memcpy(&said, p->bytes + 8 + piece, WORD);
		if (size == UINT32_MAX) {
			number = said;
			return offset == 0 && piece == 0 ? QBI_CANCEL : -EBADMSG;
		}
		size &= ~TIMED_BIT;
		timed = true;
		deadline = said;
	}
	/* Bodies have no deadline, and begin where a message could be. */
	if (size > max_msg_size && (timed || (requests && !in_pieces && piece > max_msg_size)))
		return -EBADMSG;
	if (size > body_most || offset != whole_done || (in_pieces && size != whole_size) ||
	    piece > size - offset || (piece == 0 && size != 0))
		return -EBADMSG;
	memcpy(whole + offset, p->bytes + 8, piece);
	whole_size = size;
	whole_done = offset + piece;
	in_pieces = true;
	return message_state();
}

static int message_read(void)
{
	int r = message_state();

	while (r == QBI_EMPTY && first != last)
		r = packet_read(&queue[first++ % QUEUE]);
	return r;
}

static void message_forget(void)
{
	in_pieces = timed = false;
	whole_done = 0;
}

/* Of a service, whose room is for the largest. As take_compare(). */
static bool request_compare(struct qbi_packets *p, bool *ret_taken)
{
	uint8_t *buf = malloc(max_msg_size);
	size_t n = SIZE_MAX;
	void *body = NULL;
	uint64_t said = 0;
	int expected = message_read(), got;

	FUZZ_CHECK(buf);
	/* One piece of a body after the other. */
	do {
		got = qbi_packets_take_request(p, buf, max_msg_size, &body, &n, &said);
		FUZZ_CHECK(got != QBI_PARTIAL || n <= body_most);
	} while (got == QBI_PARTIAL && expected != QBI_PARTIAL);
	FUZZ_CHECK(got == expected || (got == QBI_EMPTY && in_pieces && expected >= 0));
	*ret_taken = got == 0 || got == QBI_TIMED;
	if (*ret_taken)
		FUZZ_CHECK(n == whole_size && memcmp(buf, whole, n) == 0);
	FUZZ_CHECK(got != QBI_TIMED || said == deadline);
	FUZZ_CHECK(got != QBI_CANCEL || said == number);
	FUZZ_CHECK(got != QBI_PARTIAL || p->body_most == told);
	FUZZ_CHECK(got == QBI_BODY ? body != NULL : !body);
	if (body) {
		FUZZ_CHECK(n == whole_size && memcmp(body, whole, n) == 0);
		FUZZ_CHECK(((char *)body)[n] == 0 && said > 0 && said < n);
		*ret_taken = true;
		free(body);
	}
	if (*ret_taken)
		message_forget();
	free(buf);
	return got >= 0;
}

/* One receive call and what it should say. False: the connection is over. */
static bool take_compare(struct qbi_packets *p, size_t room, bool *ret_taken)
{
	uint8_t *buf = malloc(room ? room : 1);
	size_t n = SIZE_MAX;
	bool peeks = !in_pieces && room < body_most && first != last;
	int expected, got;

	FUZZ_CHECK(buf);
	/* A small buffer: the first header decides, before its packet is taken, or the rest. */
	if (in_pieces && whole_size > room)
		expected = -ENOBUFS;
	else if (peeks && queue[first % QUEUE].size >= 8 &&
		 word(&queue[first % QUEUE], 0) > room &&
		 word(&queue[first % QUEUE], 0) <= body_most)
		expected = -ENOBUFS;
	else
		expected = message_read();
	if (expected == 0 && whole_size > room)
		expected = -ENOBUFS;
	do
		got = qbi_packets_take(p, buf, room, &n);
	while (got == QBI_PARTIAL);
	FUZZ_CHECK(got == expected || (got == QBI_EMPTY && expected == 0 && in_pieces));
	FUZZ_CHECK(got != 0 || (n == whole_size && memcmp(buf, whole, n) == 0));
	FUZZ_CHECK(got != -ENOBUFS || (n > room && n <= body_most));
	if (got == 0)
		message_forget();
	free(buf);
	*ret_taken = got == 0;
	return got >= 0 || got == -ENOBUFS;
}

static bool packet_push(int fd, const struct packet *p)
{
	if (last - first == QUEUE ||
	    send(fd, p->bytes, p->size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return false;
	queue[last++ % QUEUE] = *p;
	return true;
}

/* Where the message goes on that is being made, and its size. */
static uint32_t offset, of;

/* A header from the input, or what would be right here changed a little. */
static void packet_make(struct input *in, uint8_t how, struct packet *p)
{
	uint32_t size = input_u16(in) % (MAX + 2), piece = input_u16(in) % (MAX + 2);

	if (how & 1) {
		size = input_u32(in);
		offset = input_u32(in);
	} else if (how & 2 && offset < of) {
		size = of;
		piece = (uint32_t)(piece % ((uint64_t)of - offset + 1)) + (how & 0x80 ? 1 : 0);
	} else {
		offset = 0;
		if (requests && how & 0x10)
			size = how & 0x20 ? UINT32_MAX : size | TIMED_BIT;
		else if (requests && how & 0x80)
			size = LIMIT;
		if (requests && how & 0x20)
			piece = size == UINT32_MAX ? WORD :
						     (size & ~TIMED_BIT) % (MAX + 1) + WORD;
	}
	if (size == LIMIT)
		piece = how & 0x20 ? 1 : 0;
	p->size = 8 + piece;
	memcpy(p->bytes, &size, 4);
	memcpy(p->bytes + 4, &offset, 4);
	input_bytes(in, p->bytes + 8, piece);
	if (how & 4)
		p->size = how / 8 % 9;
	offset += piece - (size & TIMED_BIT && !(how & 1) && piece >= WORD ? WORD : 0);
	of = size == LIMIT ? 0 : size & ~TIMED_BIT;
}

static void receiver_run(struct input *in)
{
	static struct packet p;
	struct qbi_packets receiver;
	bool alive = true, taken;
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(qbi_packets_open(&receiver, pair[0], max_msg_size) == 0);
	qbi_packets_take_bodies(&receiver, body_most);
	first = last = 0;
	offset = of = 0;
	message_forget();
	for (int i = 0; i < STEPS && in->left && alive; i++) {
		uint8_t how = input_u8(in);

		if (how & 0x40) {
			size_t room = how & 0x20 ? max_msg_size : input_u8(in) * 8;

			alive = requests ? request_compare(&receiver, &taken) :
					   take_compare(&receiver, room, &taken);
			continue;
		}
		packet_make(in, how, &p);
		/* Of nothing at all the end of the stream is made. */
		if (p.size > 0)
			(void)packet_push(pair[1], &p);
	}
	qbi_packets_close(&receiver);
	qbi_packets_close(&receiver);
	close(pair[1]);
}

/* -- A sender ----------------------------------------------------------------------- */

/* Take what is there off the socket, as it came. */
static void packets_pull(int fd, unsigned int most)
{
	while (most-- > 0 && last - first < QUEUE) {
		struct packet *p = &queue[last % QUEUE];
		ssize_t n = recv(fd, p->bytes, sizeof(p->bytes), MSG_DONTWAIT);

		if (n < 0)
			return;
		p->size = (size_t)n;
		last++;
	}
}

static void message_check(uint8_t seed, size_t size)
{
	FUZZ_CHECK(message_read() == 0 && whole_size == size);
	for (size_t i = 0; i < size; i++)
		FUZZ_CHECK(whole[i] == (uint8_t)(seed + i));
	message_forget();
}

/* What waits to be read: sizes and first bytes of messages that were accepted. */
static struct {
	uint8_t seed;
	size_t size;
} sent[STEPS];

static void sender_run(struct input *in)
{
	static uint8_t buf[MAX];
	struct qbi_packets sender;
	unsigned int n_sent = 0;
	int room = 0, pair[2], r = 0;

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	FUZZ_CHECK(qbi_packets_open(&sender, pair[0], max_msg_size) == 0);
	sender.piece = 1 + input_u16(in) % 700;
	body_most = MAX;
	first = last = 0;
	message_forget();
	for (int i = 0; i < STEPS / 8 && in->left; i++) {
		uint8_t how = input_u8(in);
		size_t size = input_u16(in) % (MAX + 1);
		struct iovec iov[3] = { { buf, size / 3 },
					{ NULL, 0 },
					{ buf + size / 3, size - size / 3 } };
		struct qbi_msg msg = { iov, 3, size };

		for (size_t k = 0; k < size; k++)
			buf[k] = (uint8_t)(how + k);
		r = how & 1 ? qbi_packets_flush(&sender) : qbi_packets_sendv(&sender, &msg);
		FUZZ_CHECK(r == 0 || r == QBI_UNSENT || r == QBI_FULL);
		if (!(how & 1) && (r == 0 || r == QBI_UNSENT)) {
			sent[n_sent].seed = how;
			sent[n_sent++].size = size;
		}
		packets_pull(pair[1], how / 16);
	}
	while (qbi_packets_flush(&sender) == QBI_UNSENT && last - first < QUEUE)
		packets_pull(pair[1], QUEUE);
	packets_pull(pair[1], QUEUE);
	/* Unless there is more than was pulled. */
	if (last - first == QUEUE)
		n_sent = 0;
	for (unsigned int i = 0; i < n_sent; i++)
		message_check(sent[i].seed, sent[i].size);
	qbi_packets_close(&sender);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);

	max_msg_size = 1 + input_u16(&in) % MAX;
	/* Bodies, up to any size. */
	body_most = how & 4 ? 1 + input_u16(&in) % MAX : 0;
	if (body_most < max_msg_size)
		body_most = max_msg_size;
	requests = (how & 3) == 2;
	if (how & 1)
		sender_run(&in);
	else
		receiver_run(&in);
	return 0;
}
