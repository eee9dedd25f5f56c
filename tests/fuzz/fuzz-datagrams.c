/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Datagrams of libqb's wire over sockets, both ends: from the other end, from strangers,
 * of any size, in any order, with a control file that says anything.
 *
 * A server is given what its client sent, in its order, and nothing of strangers; what is
 * longer than was agreed ends the connection. A client is given what its server sent.
 */
#include "config.h"

#include "base/util.h"
#include "tests/fuzz/ends.h"
#include "transport/transport.h"
#include "wire/names.h"

enum { MAX = 12328, QUEUE = 64, STEPS = 128, STRANGERS_AT_ONCE = 16 };

extern const struct qbi_server_ops qbi_qb_socket_server;
extern const struct qbi_client_ops qbi_qb_socket_client;

/* What waits at the end under test. */
static struct {
	bool stranger;
	size_t size;
	uint8_t seed;
} queue[QUEUE];
static unsigned int first, last;

static struct qbi_welcome welcome;
static int stream[2], stranger;
static void *server, *client;

static int datagram_socket(const char *channel)
{
	struct sockaddr_un to;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	FUZZ_CHECK(fd >= 0 && qbi_channel_address(welcome.response, channel, &to) == 0);
	(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
	return fd;
}

static void ends_open(void)
{
	/* Of a service that lives on. */
	static struct qbi_server_shared shared;
	struct qbi_server_spec s = { .service = "fuzz",
				     .max_msg_size = MAX,
				     .owner = { (uid_t)-1, (gid_t)-1, 0600 } };
	struct qbi_reply reply = { .welcome = &welcome };
	struct qbi_client_spec c = { .welcome = &welcome };

	memset(&welcome, 0, sizeof(welcome));
	welcome.max_msg_size = MAX;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == 0);
	s.stream = stream[0];
	s.shared = &shared;
	s.peer = c.server = (struct ucred){ getpid(), geteuid(), getegid() };
	c.stream = stream[1];
	server = calloc(1, qbi_qb_socket_server.state_size);
	client = calloc(1, qbi_qb_socket_client.state_size);
	FUZZ_CHECK(server && client);
	FUZZ_CHECK(qbi_qb_socket_server.open(server, &s, &reply) == 0);
	FUZZ_CHECK(qbi_qb_socket_client.open(client, &c) == 0);
	first = last = 0;
}

static void ends_close(bool server_first)
{
	if (server_first)
		qbi_qb_socket_server.close(server, false);
	qbi_qb_socket_client.close(client, server_first);
	qbi_qb_socket_server.close(server, false);
	qbi_qb_socket_server.close(server, false);
	close(stranger);
	close(stream[0]);
	close(stream[1]);
	free(server);
	free(client);
}

static void body_fill(uint8_t *buf, size_t n, uint8_t seed)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)(seed + i);
}

/* The peer of the end under test sends, or somebody else does. */
static void datagram_send(bool to_server, bool by_stranger, size_t size, uint8_t seed)
{
	static uint8_t buf[2 * MAX];
	struct iovec iov = { buf, size };
	struct qbi_msg msg = { &iov, 1, size };
	bool gone;

	if (last - first == QUEUE)
		return;
	body_fill(buf, size, seed);
	if (by_stranger)
		gone = send(stranger, buf, size, MSG_NOSIGNAL) < 0;
	else if (to_server)
		gone = qbi_qb_socket_client.sendv(client, &msg, 0) != 0;
	else
		gone = qbi_qb_socket_server.respondv(server, &msg) != 0;
	if (gone)
		return;
	queue[last % QUEUE].stranger = by_stranger;
	queue[last % QUEUE].size = size;
	queue[last++ % QUEUE].seed = seed;
}

/* False: the connection is over. */
static bool datagram_take(bool at_server, size_t room)
{
	static uint8_t expected[2 * MAX];
	uint8_t *buf = malloc(room ? room : 1);
	void *in_place = NULL;
	size_t n = SIZE_MAX;
	int strangers = 0, r;
	bool alive = true;

	FUZZ_CHECK(buf);
	while (first != last && queue[first % QUEUE].stranger &&
	       strangers < STRANGERS_AT_ONCE) {
		strangers++;
		first++;
	}
	r = at_server ? qbi_qb_socket_server.take(server, buf, room, &in_place, &n) :
			qbi_qb_socket_client.recv(client, buf, room, 0, &n);
	if (strangers == STRANGERS_AT_ONCE || first == last) {
		FUZZ_CHECK(r == QBI_EMPTY);
	} else if (queue[first % QUEUE].size > MAX &&
		   (at_server || queue[first % QUEUE].size > room)) {
		FUZZ_CHECK(r == -EBADMSG);
		alive = false;
	} else if (queue[first % QUEUE].size > room) {
		FUZZ_CHECK(r == -ENOBUFS);
	} else {
		FUZZ_CHECK(r == 0 && n == queue[first % QUEUE].size);
		body_fill(expected, n, queue[first % QUEUE].seed);
		FUZZ_CHECK(memcmp(buf, expected, n) == 0);
		first++;
	}
	free(buf);
	return alive;
}

/* The words of the control file, which either end may write. */
static void control_write(struct input *in)
{
	uint32_t words[6];
	int fd = open(welcome.request, O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < QBI_ARRAY_SIZE(words); i++)
		words[i] = input_u32(in);
	FUZZ_CHECK(fd >= 0 && pwrite(fd, words, sizeof(words), 0) == sizeof(words));
	close(fd);
	(void)qbi_qb_socket_server.events_queued(server);
	(void)qbi_qb_socket_client.flow(client);
}

static bool step_run(struct input *in, bool at_server)
{
	uint8_t how = input_u8(in);
	size_t size = input_u16(in) % (MAX + 100);

	switch (how % 8) {
	case 0:
	case 1: return datagram_take(at_server, MAX);
	case 2: return at_server || datagram_take(false, size);
	case 3: control_write(in); return true;
	case 4:
	case 5: datagram_send(at_server, at_server, size, how); return true;
	default: datagram_send(at_server, false, size, how); return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	unsigned int fds = fds_count();
	bool alive = true;

	ends_open();
	stranger = datagram_socket("request");
	for (int i = 0; i < STEPS && in.left && alive; i++)
		alive = step_run(&in, how & 1);
	ends_close(how & 2);
	FUZZ_CHECK(fds_count() == fds);
	return 0;
}
