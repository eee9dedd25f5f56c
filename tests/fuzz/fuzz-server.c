/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server with hostile clients and an honest one, all in one process and one thread. The
 * input is a service (type, wire, what its application does) and a list of operations:
 * connect (also when descriptors run out), send bytes or descriptors, write shared words
 * or truncate files, ring, send packets, close, turn the server's loop, publish events,
 * limit the rate, set limits, disconnect, call honestly.
 *
 * After each operation the loop's contract holds, the service's books are right
 * (ledger.h), and there are no more descriptors and no more memory than the clients in
 * them account for; when nothing is left to do, no more clients than there are. An honest
 * call is answered within a bounded number of turns whatever the others did. At the end
 * everything is as it was.
 */
#include "config.h"

#include <qb/qbipc_ext.h>

#include "tests/fuzz/ends.h"
#include "tests/fuzz/holding.h"
#include "tests/fuzz/hostile.h"
#include "tests/fuzz/ledger.h"
#include "tests/lib/pump.h"

enum {
	OPERATIONS = 256,
	TURNS = 20000,
	MAX = 12328,
	/* Of the server for one connection, for itself; of an honest client. */
	FDS_CONNECTION = 5,
	FDS_SERVICE = 8,
	FDS_CLIENT = 5,
	UNREAD_MOST = 256, /* the default of unread_answers */
};

static qb_ipcs_service_t *service;
static qb_ipcc_connection_t *honest;
static char name[64];
static unsigned int fds_before, serial, accepted, closings, connections, announced;
static struct qbipc_service_limits limits;
static bool settled; /* the loop has nothing left to do */
static struct holding holding_before;
static size_t memory_besides; /* of the service and of the honest client's end */
static uint8_t manner;	      /* of the application; MANNER_ bits */

enum {
	MANNER_SOCKET = 1,
	MANNER_NATIVE = 2,
	MANNER_REFUSES = 4,
	MANNER_CLOSES_TWICE = 8,
	MANNER_GREETS = 16,
	MANNER_ENLARGES = 32,
	MANNER_CHANGES_ITS_MIND = 64,
	MANNER_RETRIES = 128
};

static size_t memory_now(void)
{
	struct holding h = holding_now();

	return h.heap - holding_before.heap + h.mapped - holding_before.mapped;
}

/* -- The server's application ---------------------------------------------------- */

/* Anybody but the honest one, who comes first. */
static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	announced++;
	return manner & MANNER_REFUSES && accepted++ % 3 == 2 ? -EACCES : 0;
}

static void event_send(qb_ipcs_connection_t *c, size_t size)
{
	static struct {
		struct qb_ipc_response_header hdr;
		char body[MAX - sizeof(struct qb_ipc_response_header)];
	} event = { .hdr = { .id = 9 } };

	event.hdr.size = (int32_t)size;
	(void)qb_ipcs_event_send(c, &event, size);
}

static void on_created(qb_ipcs_connection_t *c)
{
	connections++;
	if (manner & MANNER_GREETS)
		event_send(c, 100);
	if (manner & MANNER_CHANGES_ITS_MIND && announced > 1 && announced % 2 == 0) {
		connections--; /* it will not be told of its end */
		qb_ipcs_disconnect(c);
	}
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	bool again = manner & MANNER_CLOSES_TWICE && closings++ % 2 == 0;

	connections -= !again;
	return again;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	announced--;
}

static void on_writable(qb_ipcs_connection_t *c, void *data)
{
	event_send(c, 100);
}

static void echo(qb_ipcs_connection_t *c, const struct qb_ipc_request_header *hdr)
{
	struct {
		struct qb_ipc_response_header hdr;
		char body[64];
	} answer = { .hdr = { .id = hdr->id, .size = sizeof(answer) } };
	size_t size = (size_t)hdr->size;

	memcpy(answer.body, hdr, size < sizeof(answer.body) ? size : sizeof(answer.body));
	(void)qb_ipcs_response_send(c, &answer, sizeof(answer));
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *hdr = data;

	FUZZ_CHECK(size >= sizeof(*hdr) && (size_t)hdr->size == size);
	FUZZ_CHECK(size <= (size_t)qb_ipcs_connection_get_buffer_size(c));
	switch (hdr->id) {
	case 1: event_send(c, 100); return 0;
	case 2: qb_ipcs_disconnect(c); return 0;
	case 3: return -ENOBUFS;
	default: echo(c, hdr); return 0;
	}
}

/* -- The same by a table of handlers ------------------------------------------------ */

enum { LONG = 100 };

static int32_t on_any(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	return on_msg(c, data, size);
}

static int32_t on_long(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	FUZZ_CHECK(size >= LONG);
	return on_msg(c, data, size);
}

static enum qbipc_refuse on_unknown(qb_ipcs_connection_t *c,
				    const struct qb_ipc_request_header *message, size_t size,
				    int error, void *data)
{
	FUZZ_CHECK(size >= sizeof(*message) && (size_t)message->size == size);
	FUZZ_CHECK(error == (message->id == 4 ? -EBADMSG : -ENOSYS));
	return (unsigned int)message->id % 3;
}

static void handlers_register(void)
{
	static const struct qbipc_handler table[] = {
		QBIPC_HANDLER(1, on_any, struct qb_ipc_request_header),
		QBIPC_HANDLER(2, on_any, struct qb_ipc_request_header),
		QBIPC_HANDLER(3, on_any, struct qb_ipc_request_header),
		QBIPC_HANDLER(4, on_long, char[LONG]),
		QBIPC_HANDLER(7, on_any, struct qb_ipc_request_header),
	};
	size_t before = memory_now();

	if (qbipc_service_handler_find(service, 7))
		return;
	FUZZ_CHECK(qbipc_service_refuse_set(service, on_unknown, NULL) == 0);
	FUZZ_CHECK(qbipc_service_handlers_register(service, table,
						   sizeof(table) / sizeof(table[0])) == 0);
	memory_besides += memory_now() - before;
}

static void service_start(void)
{
	struct qb_ipcs_service_handlers on = {
		.connection_accept = on_accept,
		.connection_created = on_created,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
		.msg_process = on_msg,
	};
	struct qb_ipcs_poll_handlers loop = pump_handlers;

	accepted = closings = connections = announced = 0;
	limits = (struct qbipc_service_limits){ .size = sizeof(limits) };
	qbipc_native_set(manner & MANNER_NATIVE);
	snprintf(name, sizeof(name), "fuzz-server-%d", (int)getpid());
	service = qb_ipcs_create(name, 0, manner & MANNER_SOCKET ? QB_IPC_SOCKET : QB_IPC_SHM,
				 &on);
	FUZZ_CHECK(service);
	if (manner & MANNER_ENLARGES)
		qb_ipcs_enforce_buffer_size(service, 60000);
	if (manner & MANNER_NATIVE)
		FUZZ_CHECK(qbipc_service_body_limit_set(service, BODY_MOST) == 0);
	if (manner & MANNER_RETRIES)
		FUZZ_CHECK(qbipc_service_writable_set(service, on_writable, NULL) == 0);
	qb_ipcs_poll_handlers_set(service, &loop);
	FUZZ_CHECK(qb_ipcs_run(service) == 0);
}

/* -- The honest client ------------------------------------------------------------ */

static void honest_connect(void)
{
	int fd = -1, r;

	honest = qb_ipcc_connect_async(name, MAX, &fd);
	FUZZ_CHECK(honest);
	(void)pump_settle(TURNS);
	r = qb_ipcc_connect_continue(honest);
	FUZZ_CHECK(r == 0);
}

/* Its answer comes, and it is the answer to this request. */
static void honest_call(void)
{
	struct {
		struct qb_ipc_request_header hdr;
		uint32_t number;
	} request = { .hdr = { .id = 7, .size = sizeof(request) }, .number = ++serial };
	struct {
		struct qb_ipc_response_header hdr;
		char body[64];
	} answer;
	int turns = TURNS;
	ssize_t n;

	n = qb_ipcc_send(honest, &request, sizeof(request));
	FUZZ_CHECK(n == sizeof(request));
	do {
		(void)pump_turn();
		n = qb_ipcc_recv(honest, &answer, sizeof(answer), 0);
	} while ((n == -EAGAIN || n == -ETIMEDOUT) && --turns);
	FUZZ_CHECK(n == sizeof(answer) && answer.hdr.id == 7);
	FUZZ_CHECK(memcmp(answer.body, &request, sizeof(request)) == 0);
}

static void honest_events(void)
{
	char buf[MAX];
	ssize_t n;

	do
		n = qb_ipcc_event_recv(honest, buf, sizeof(buf), 0);
	while (n >= 0);
	FUZZ_CHECK(n == -EAGAIN || n == -ETIMEDOUT);
}

/* -- The list of operations ------------------------------------------------------ */

static qb_ipcs_connection_t *connection_nth(unsigned int n)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);

	while (c && n-- > 0) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(service, c);

		qb_ipcs_connection_unref(c);
		c = next;
	}
	return c;
}

static void server_events(size_t size)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);

	while (c) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(service, c);

		event_send(c, size);
		qb_ipcs_connection_unref(c);
		c = next;
	}
}

/* Anybody but the honest one, which came first and so is the last of the list. */
static void server_disconnect(unsigned int n)
{
	qb_ipcs_connection_t *c = connection_nth(n), *next;

	if (!c)
		return;
	next = qb_ipcs_connection_next_get(service, c);
	if (next) {
		qb_ipcs_connection_unref(next);
		qb_ipcs_disconnect(c);
	}
	qb_ipcs_connection_unref(c);
}

/* Or no requests at all for a while: an honest call would wait. */
static void server_rate(unsigned int rate)
{
	if (rate & 4) {
		qb_ipcs_request_rate_limit(service,
					   rate & 8 ? QB_IPCS_RATE_OFF_2 : QB_IPCS_RATE_OFF);
		for (int i = 0; i < 4; i++)
			(void)pump_turn();
	}
	qb_ipcs_request_rate_limit(service, rate % 3);
}

static void server_operation(struct input *in)
{
	uint8_t what = input_u8(in);

	switch (what % 4) {
	case 0:
		server_events(what / 4 % 4 == 3 ? MAX : sizeof(struct qb_ipc_response_header));
		break;
	case 1: server_rate(what / 4); break;
	case 2: server_disconnect(what / 4 % HOSTILE); break;
	default: (void)pump_turn(); break;
	}
}

/* One limit changes, the others stay; or all are as at the beginning. Or what becomes of
 * requests changes. */
static void server_set(uint8_t how)
{
	unsigned int few = how / 8 % 4 + 1;

	if (how / 32 % 8 == 5) {
		handlers_register();
		return;
	}
	switch (how % 8) {
	case 0: limits = (struct qbipc_service_limits){ .size = sizeof(limits) }; break;
	case 1: limits.handshakes = few; break;
	case 2: limits.handshakes_per_uid = few; break;
	case 3: limits.connections = few; break;
	case 4: limits.connections_per_uid = few; break;
	case 5: limits.memory_per_uid = few * 300000; break;
	case 6: limits.message_size = few * 20000; break;
	default:
		limits.junk_wakeups = few;
		limits.dispatch_messages = few;
		limits.dispatch_bytes = few * 20;
		break;
	}
	FUZZ_CHECK(qbipc_service_limits_set(service, &limits) == 0);
}

static void operation_run(struct input *in)
{
	uint8_t what = input_u8(in), how = input_u8(in);
	struct hostile *h = &hostile[what / 16 % HOSTILE];

	settled = false;
	switch (what % 16) {
	case 0:
	case 1: hostile_connect(h, how); break;
	case 2:
	case 3: hostile_send(h, in, how); break;
	case 4:
	case 5: hostile_write(h, in, how); break;
	case 6: hostile_record(h, in); break;
	case 7: hostile_truncate(h, how); break;
	case 8: hostile_read(h); break;
	case 9:
		if (how & 128)
			hostile_join(h, how);
		else if (h->fd >= 0)
			shutdown(h->fd, how % 3);
		break;
	case 10: hostile_close(h); break;
	case 11: server_operation(in); break;
	case 12: honest_events(); break;
	case 13: honest_call(); break;
	case 14: server_set(how); break;
	default:
		for (int i = how % 8; i >= 0; i--)
			settled = !pump_turn();
		break;
	}
}

/* There is no more than what the clients account for, of which the honest one is one. */
static void state_check(void)
{
	unsigned int clients;

	ledger_check();
	clients = ledger_clients();
	FUZZ_CHECK(clients >= 1);
	FUZZ_CHECK(!settled || clients <= 1 + hostile_count());
	FUZZ_CHECK(!pump_violation());
	FUZZ_CHECK(pump_count() <= 4 + 2 * clients);
	FUZZ_CHECK(fds_count() <= fds_before + FDS_SERVICE + FDS_CLIENT + hostile_fds() +
					  FDS_CONNECTION * clients + ledger_streams_kept());
	FUZZ_CHECK(ledger_streams_kept() <= UNREAD_MOST);
	FUZZ_CHECK(memory_now() <= memory_besides + ledger_memory() + hostile_mapped());
}

/* Everybody has left; nothing is left of it. */
static void end_check(void)
{
	struct holding h = holding_now();

	FUZZ_CHECK(pump_count() == 0 && !pump_violation());
	FUZZ_CHECK(fds_count() == fds_before);
	FUZZ_CHECK(shm_count() == 0);
	FUZZ_CHECK(connections == 0 && announced == 0);
	FUZZ_CHECK(holding_equal(&h, &holding_before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	(void)qbipc_busy_poll_set(0);
	fds_before = fds_count();
	holding_before = holding_now();
	manner = input_u8(&in);
	service_start();
	ledger_begin(service);
	memory_besides = memory_now();
	hostile_begin(name);
	honest_connect();
	ledger_check();
	/* Both ends of a connection take about the same. */
	memory_besides += ledger_memory();
	for (int i = 0; i < OPERATIONS && in.left; i++) {
		operation_run(&in);
		state_check();
	}
	honest_call();
	for (int i = 0; i < HOSTILE; i++)
		hostile_close(&hostile[i]);
	settled = pump_settle(TURNS);
	FUZZ_CHECK(settled);
	state_check();
	honest_call();
	qb_ipcc_disconnect(honest);
	FUZZ_CHECK(pump_settle(TURNS));
	qb_ipcs_destroy(service);
	FUZZ_CHECK(pump_settle(TURNS));
	end_check();
	return 0;
}
