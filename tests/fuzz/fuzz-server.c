/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server with hostile clients and an honest one, all in one process and one thread. The
 * input is a service (type, wire) and a list of operations: connect, send bytes or
 * descriptors, write shared words or truncate files, ring, send packets, close, turn the
 * server's loop, publish events, limit the rate, disconnect, call honestly.
 *
 * After each operation the loop's contract holds and no more descriptors are open than the
 * connections account for. An honest call is answered within a bounded number of turns
 * whatever the others did. At the end everything is as it was.
 */
#include "config.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <qb/qbipc_ext.h>

#include "base/util.h"
#include "tests/fuzz/ends.h"
#include "tests/lib/pump.h"
#include "wire/handshake.h"

enum {
	HOSTILE = 4, OPERATIONS = 256, TURNS = 20000, MAX = 12328,
	/* Of the server for one connection, and of a hostile client for its own. */
	FDS_SERVER = 5, FDS_CLIENT = 5, FDS_SPARE = 8,
};

/* A client that speaks by hand. What it was sent is mapped. */
struct hostile {
	int fd;			/* -1: none */
	int fds[3];
	unsigned int n_fds;
	struct {
		unsigned char *at;
		size_t size;
		int fd;		/* of a file, to truncate it; else -1 */
	} map[6];
	unsigned int n_maps;
};

static struct hostile hostile[HOSTILE];
static qb_ipcs_service_t *service;
static qb_ipcc_connection_t *honest;
static char name[64];
static unsigned int fds_before, serial;

/* -- The server's application ---------------------------------------------------- */

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return 0;
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct {
		struct qb_ipc_response_header hdr;
		char body[64];
	} answer = { .hdr = { .size = sizeof(answer) } };
	const struct qb_ipc_request_header *hdr = data;

	FUZZ_CHECK(size >= sizeof(*hdr) && size <= MAX && (size_t)hdr->size == size);
	answer.hdr.id = hdr->id;
	memcpy(answer.body, data, size < sizeof(answer.body) ? size : sizeof(answer.body));
	(void)qb_ipcs_response_send(c, &answer, sizeof(answer));
	return 0;
}

static void service_start(uint8_t how)
{
	struct qb_ipcs_service_handlers on = { .connection_accept = on_accept,
					       .msg_process = on_msg };
	struct qb_ipcs_poll_handlers loop = pump_handlers;

	qbipc_native_set(how & 2);
	snprintf(name, sizeof(name), "fuzz-server-%d", (int)getpid());
	service = qb_ipcs_create(name, 0, how & 1 ? QB_IPC_SOCKET : QB_IPC_SHM, &on);
	FUZZ_CHECK(service);
	qb_ipcs_poll_handlers_set(service, &loop);
	FUZZ_CHECK(qb_ipcs_run(service) == 0);
}

/* -- The honest client --------------------------------------------------------------- */

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

/* -- Hostile ones ------------------------------------------------------------------- */

static void map_add(struct hostile *h, int fd, bool keep)
{
	struct stat st;
	void *m;

	if (h->n_maps == QBI_ARRAY_SIZE(h->map) || fstat(fd, &st) < 0 || st.st_size == 0)
		return;
	m = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return;
	h->map[h->n_maps].at = m;
	h->map[h->n_maps].size = (size_t)st.st_size;
	h->map[h->n_maps++].fd = keep ? dup(fd) : -1;
}

static void file_add(struct hostile *h, const char *path, const char *suffix)
{
	char whole[QBI_WIRE_NAME_SIZE + 16];
	int fd;

	snprintf(whole, sizeof(whole), "%s%s", path, suffix);
	fd = open(whole, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map_add(h, fd, true);
	close(fd);
}

static void hostile_read(struct hostile *h)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 3)];
	} control;
	static struct qbi_welcome w;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n = h->fd < 0 ? -1 : recvmsg(h->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (c && c->cmsg_type == SCM_RIGHTS && h->n_fds == 0) {
		h->n_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(h->fds, CMSG_DATA(c), h->n_fds * sizeof(int));
		map_add(h, h->fds[0], false);
	}
	if (n == sizeof(w) && !c && w.error == 0 && w.type == QB_IPC_SHM) {
		file_add(h, w.request, "-header");
		file_add(h, w.request, "-data");
		file_add(h, w.response, "-header");
		file_add(h, w.event, "-header");
	} else if (n == sizeof(w) && !c && w.error == 0) {
		file_add(h, w.request, "");
	}
}

static void hostile_close(struct hostile *h)
{
	for (unsigned int i = 0; i < h->n_maps; i++) {
		munmap(h->map[i].at, h->map[i].size);
		qbi_close(h->map[i].fd);
	}
	for (unsigned int i = 0; i < h->n_fds; i++)
		close(h->fds[i]);
	qbi_close(h->fd);
	*h = (struct hostile){ .fd = -1 };
}

static void hostile_connect(struct hostile *h, uint8_t how)
{
	struct sockaddr_un address = service_address(name);
	struct qbi_hello hello;

	hostile_close(h);
	h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(h->fd >= 0 &&
		   connect(h->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	if (how & 1)
		return;		/* by hand, or never */
	qbi_hello_init(&hello, MAX, how & 2 ? 0 : 1);
	(void)send_with(h->fd, &hello, sizeof(hello), NULL, 0);
	(void)pump_settle(TURNS);
	hostile_read(h);
}

static void hostile_send(struct hostile *h, struct input *in, uint8_t how)
{
	uint8_t bytes[512];
	const int fds[] = { STDERR_FILENO, h->fd, STDERR_FILENO };
	unsigned int which = how % 4;
	size_t n = input_u8(in) * 2;
	int to = which == 0 || which > h->n_fds ? h->fd : h->fds[which - 1];

	input_bytes(in, bytes, n);
	if (to >= 0)
		(void)send_with(to, bytes, n, fds, h->fd >= 0 ? how / 4 % 4 : 0);
}

/* Anywhere in the shared memory; the words of the rings come first, so small offsets. */
static void hostile_write(struct hostile *h, struct input *in, uint8_t how)
{
	size_t at = how & 1 ? input_u32(in) : (size_t)input_u8(in) * 4;
	uint64_t value = how & 2 ? input_u64(in) : input_u8(in), now;
	unsigned int i = input_u8(in);
	struct stat st;

	if (!h->n_maps)
		return;
	i %= h->n_maps;
	if (h->map[i].fd >= 0 &&
	    (fstat(h->map[i].fd, &st) < 0 || (size_t)st.st_size < h->map[i].size))
		return;		/* it has cut it off itself */
	at %= h->map[i].size - sizeof(value);
	memcpy(&now, h->map[i].at + at, sizeof(now));
	if (how & 4)
		value += now;
	memcpy(h->map[i].at + at, &value, how & 8 ? 4 : 8);
}

/* A request as the ring has it on the native wire, at the count given. */
static void hostile_record(struct hostile *h, struct input *in)
{
	uint32_t record[8] = { 24, 0x716d7367, input_u8(in), 0, input_u8(in) };
	uint64_t tail;

	record[4] = record[4] & 1 ? 24 : record[4];
	if (h->n_maps != 1 || h->map[0].size < 2 * 4096 + sizeof(record))
		return;
	memcpy(&tail, h->map[0].at, sizeof(tail));
	tail &= ~(uint64_t)7;
	if (tail % 8192 + sizeof(record) > 8192)
		return;
	memcpy(h->map[0].at + 4096 + tail % 8192, record, sizeof(record));
	tail += sizeof(record) + input_u8(in) % 2;
	memcpy(h->map[0].at, &tail, sizeof(tail));
	(void)send_with(h->fd, "", 1, NULL, 0);
}

static void hostile_truncate(struct hostile *h, uint8_t how)
{
	unsigned int i = how / 16 % QBI_ARRAY_SIZE(h->map);

	if (i < h->n_maps && h->map[i].fd >= 0)
		FUZZ_CHECK(ftruncate(h->map[i].fd, how & 8 ? 0 : 4096) == 0);
}

/* -- The list of operations -------------------------------------------------------------- */

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

static void server_events(void)
{
	static const struct qb_ipc_response_header event = { .id = 9, .size = sizeof(event) };
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);

	while (c) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(service, c);

		(void)qb_ipcs_event_send(c, &event, sizeof(event));
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

static void server_operation(struct input *in)
{
	uint8_t what = input_u8(in);

	switch (what % 4) {
	case 0:
		server_events();
		break;
	case 1:
		qb_ipcs_request_rate_limit(service, what / 4 % 3);
		break;
	case 2:
		server_disconnect(what / 4 % HOSTILE);
		break;
	default:
		(void)pump_turn();
		break;
	}
}

static void operation_run(struct input *in)
{
	uint8_t what = input_u8(in), how = input_u8(in);
	struct hostile *h = &hostile[what / 16 % HOSTILE];

	switch (what % 16) {
	case 0:
	case 1:
		hostile_connect(h, how);
		break;
	case 2:
	case 3:
		hostile_send(h, in, how);
		break;
	case 4:
	case 5:
		hostile_write(h, in, how);
		break;
	case 6:
		hostile_record(h, in);
		break;
	case 7:
		hostile_truncate(h, how);
		break;
	case 8:
		hostile_read(h);
		break;
	case 9:
		if (h->fd >= 0)
			shutdown(h->fd, how % 3);
		break;
	case 10:
		hostile_close(h);
		break;
	case 11:
		server_operation(in);
		break;
	case 12:
		honest_events();
		break;
	case 13:
		honest_call();
		break;
	default:
		for (int i = how % 8; i >= 0; i--)
			(void)pump_turn();
		break;
	}
}

static void state_check(void)
{
	unsigned int most = fds_before + FDS_SPARE + FDS_SERVER + FDS_CLIENT;

	for (int i = 0; i < HOSTILE; i++)
		most += FDS_SERVER + FDS_CLIENT + hostile[i].n_fds + hostile[i].n_maps;
	FUZZ_CHECK(!pump_violation());
	FUZZ_CHECK(pump_count() <= 4 + 2 * (HOSTILE * 2 + 1));
	FUZZ_CHECK(fds_count() <= most + FDS_SERVER * HOSTILE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	(void)qbipc_look_set(0);
	fds_before = fds_count();
	for (int i = 0; i < HOSTILE; i++)
		hostile[i] = (struct hostile){ .fd = -1 };
	service_start(input_u8(&in));
	honest_connect();
	for (int i = 0; i < OPERATIONS && in.left; i++) {
		operation_run(&in);
		state_check();
	}
	honest_call();
	for (int i = 0; i < HOSTILE; i++)
		hostile_close(&hostile[i]);
	(void)pump_settle(TURNS);
	honest_call();
	qb_ipcc_disconnect(honest);
	FUZZ_CHECK(pump_settle(TURNS));
	qb_ipcs_destroy(service);
	(void)pump_turn();
	FUZZ_CHECK(pump_count() == 0 && fds_count() == fds_before);
	return 0;
}
