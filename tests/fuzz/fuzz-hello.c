/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's side of the handshake: bytes in pieces, with descriptors, with an end at
 * any byte, to services of both types, on both wires.
 *
 * What must come back is worked out here a second time: nothing for a message that is
 * not complete, the end of the stream for one that is none, a refusal for one that asks
 * for too much, what was asked to a question, and the answer to all others. Afterwards
 * everything is as it was.
 */
#include "config.h"

#include "tests/fuzz/ends.h"
#include "tests/lib/pump.h"
#include "wire/handshake.h"

#include <qb/qbipc_ext.h>

enum { LARGEST = 1 << 20, INPUT_MAX = 4096, TURNS = 2 * INPUT_MAX };

static qb_ipcs_service_t *services[2];
static char names[2][64];
static int32_t refusal; /* what connection_accept says */
static int connections; /* accepted, not destroyed */

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	connections++;
	return refusal;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	connections--;
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	return 0;
}

static void services_start(void)
{
	static const enum qb_ipc_type types[] = { QB_IPC_SHM, QB_IPC_SOCKET };
	struct qb_ipcs_service_handlers on = { .connection_accept = on_accept,
					       .connection_destroyed = on_destroyed,
					       .msg_process = on_msg };
	struct qb_ipcs_poll_handlers handlers = pump_handlers;

	(void)qbipc_busy_poll_set(0);
	for (int i = 0; i < 2; i++) {
		snprintf(names[i], sizeof(names[i]), "fuzz-hello-%d-%d", (int)getpid(), i);
		services[i] = qb_ipcs_create(names[i], 0, types[i], &on);
		FUZZ_CHECK(services[i]);
		qb_ipcs_poll_handlers_set(services[i], &handlers);
		qb_ipcs_enforce_buffer_size(services[i], 0);
		qbipc_service_monitor_set(services[i], QBIPC_MONITOR_PAYLOAD);
		FUZZ_CHECK(qb_ipcs_run(services[i]) == 0);
	}
}

#define QUESTIONS                                                                              \
	(QBI_ABILITY_PROBE | QBI_ABILITY_WATCH | QBI_ABILITY_DESCRIBE | QBI_ABILITY_MONITOR)

/* How the bytes travel. */
struct manner {
	unsigned int service;
	size_t piece;
	bool turns_between; /* the server reads each piece by itself */
	bool half_close;
	unsigned int n_fds; /* with each piece */
};

static struct manner manner_read(struct input *in)
{
	static const size_t pieces[] = { 143, 1, 7, SIZE_MAX };
	uint8_t how = input_u8(in), with = input_u8(in);

	qbipc_native_set(how & 2);
	refusal = with & 0x80 ? (int8_t)(with | 1) : 0;
	return (struct manner){ .service = how & 1,
				.piece = pieces[how / 4 % 4],
				.turns_between = how & 16,
				.half_close = how & 32,
				.n_fds = with % 4 };
}

static void bytes_send(int fd, const struct manner *m, const uint8_t *bytes, size_t n)
{
	const int fds[] = { STDIN_FILENO, fd, STDERR_FILENO, fd };
	size_t done = 0;

	while (done < n) {
		size_t piece = n - done < m->piece ? n - done : m->piece;

		if (send_with(fd, bytes + done, piece, fds, m->n_fds) < 0 &&
		    send_with(fd, bytes + done, piece, NULL, 0) < 0)
			break; /* the server has closed */
		done += piece;
		if (m->turns_between)
			FUZZ_CHECK(pump_settle(TURNS));
	}
	if (m->half_close)
		shutdown(fd, SHUT_WR);
	FUZZ_CHECK(pump_settle(TURNS));
}

enum answer { SILENCE, END, REFUSED, ACCEPTED, ANSWERED };

static enum answer answer_expected(const struct manner *m, const uint8_t *bytes, size_t n,
				   int32_t *ret_error)
{
	struct qbi_hello hello;

	*ret_error = 0;
	if (n < sizeof(hello))
		return m->half_close ? END : SILENCE;
	memcpy(&hello, bytes, sizeof(hello));
	if (hello.id != -1 || hello.size != 24)
		return END;
	/* No connection waits for one with such a number. */
	if (hello.mark == QBI_WIRE_MARK && (hello.abilities & QBI_ABILITY_BELL))
		return END;
	*ret_error = hello.max_msg_size > 32u << 20 ? -EMSGSIZE : 0;
	if (*ret_error == 0 && hello.mark == QBI_WIRE_MARK && (hello.abilities & QUESTIONS))
		return ANSWERED;
	if (*ret_error == 0)
		*ret_error = refusal;
	return *ret_error ? REFUSED : ACCEPTED;
}

static enum answer answer_read(int fd, struct qbi_welcome *w, unsigned int *ret_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 8)];
	} control;
	struct iovec iov = { w, sizeof(*w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_fds = 0;
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? SILENCE : END;
	FUZZ_CHECK(n == sizeof(*w) && w->id == -1 && w->size == sizeof(*w));
	if (c && c->cmsg_type == SCM_RIGHTS) {
		*ret_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned int i = 0; i < *ret_fds; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
			close(got);
		}
	}
	if (w->error)
		return REFUSED;
	return w->abilities & QUESTIONS ? ANSWERED : ACCEPTED;
}

static void answer_check(const struct manner *m, const struct qbi_welcome *w,
			 unsigned int n_fds, const uint8_t *bytes)
{
	struct qbi_hello hello;
	bool native = w->version != 0;

	memcpy(&hello, bytes, sizeof(hello));
	FUZZ_CHECK(w->type == (m->service ? QB_IPC_SOCKET : QB_IPC_SHM));
	FUZZ_CHECK(w->max_msg_size >= hello.max_msg_size && w->max_msg_size >= 12328);
	FUZZ_CHECK(!native || (hello.mark == QBI_WIRE_MARK && hello.version &&
			       w->version <= hello.version));
	FUZZ_CHECK(n_fds == (!native ? 0u : m->service ? 3u : 2u));
	FUZZ_CHECK(native == (w->request[0] == '\0'));
}

/* A size that is granted is granted memory: keep that small. */
static size_t bytes_read(struct input *in, uint8_t *bytes)
{
	size_t n = input_bytes(in, bytes, INPUT_MAX);
	uint32_t *size = (void *)(bytes + offsetof(struct qbi_hello, max_msg_size));

	if (*size > LARGEST && *size <= 32u << 20)
		*size %= LARGEST;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(struct qbi_hello) uint8_t bytes[INPUT_MAX];
	struct input in = { data, size };
	struct qbi_welcome w;
	struct sockaddr_un address;
	unsigned int fds, n_fds;
	enum answer expected, got;
	struct manner m;
	int32_t error;
	size_t n;
	int fd;

	if (!services[0])
		services_start();
	fds = fds_count();
	m = manner_read(&in);
	n = bytes_read(&in, bytes);
	address = service_address(names[m.service]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	bytes_send(fd, &m, bytes, n);
	expected = answer_expected(&m, bytes, n, &error);
	got = answer_read(fd, &w, &n_fds);
	/* A stream that ends with bytes unread may be seen as reset before the answer; who
	 * has hung up need not be answered. */
	FUZZ_CHECK(got == expected || (got == END && n > sizeof(struct qbi_hello)) ||
		   (got == END && (expected == REFUSED || m.half_close)));
	FUZZ_CHECK(got != REFUSED || w.error == error);
	if (got == ACCEPTED)
		answer_check(&m, &w, n_fds, bytes);
	close(fd);
	FUZZ_CHECK(pump_settle(TURNS));
	FUZZ_CHECK(connections == 0 && !pump_violation());
	FUZZ_CHECK(pump_count() == 2 && fds_count() == fds);
	return 0;
}
