/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's side of the handshake, and its calls: a false server answers. The input
 * says which fields of the answer are not what they should be, what the names say, what
 * the files that they name contain, which descriptors come along, how much of the answer
 * comes at all, and in which pieces it is read; then what the client calls, and what the
 * server does meanwhile.
 *
 * A client connects only to an answer that has all that the protocol demands; it is told
 * why otherwise, and leaves nothing behind. Files that nobody named stay. A call that is
 * not to wait returns, with no more than it has room for; a connection that is over stays
 * over.
 *
 * Linked with --wrap=recvmsg, which makes the pieces.
 */
#include "config.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <qb/qbipc_ext.h>

#include "base/util.h"
#include "ring/qbcontrol.h"
#include "ring/qbring-wire.h"
#include "ring/region.h"
#include "tests/fuzz/ends.h"
#include "tests/fuzz/false-server.h"
#include "wire/handshake.h"

enum {
	MAX = 12328,
	DATA_SIZE = 16384,
	FILES = 7,
	STEPS = 100,
	SENDS = 16,
	FDS_BACK_MS = 10000
};

static size_t piece_max;
static char name[64], dir[64];
static int listener = -1;

ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	size_t size = m->msg_iovlen == 1 ? m->msg_iov->iov_len : 0;
	ssize_t n;

	if (size > piece_max)
		m->msg_iov->iov_len = piece_max;
	n = __real_recvmsg(fd, m, flags);
	if (m->msg_iovlen == 1)
		m->msg_iov->iov_len = size;
	return n;
}

/* -- Files and descriptors as a server makes them, or nearly ------------------------- */

static const char *const files[FILES] = {
	"qb-request-f-header", "qb-request-f-data", "qb-response-f-header",
	"qb-response-f-data",  "qb-event-f-header", "qb-event-f-data",
	"qb-request-f", /* of sockets */
};

static off_t file_size(const char *file)
{
	if (strstr(file, "-header"))
		return QBI_QBRING_HEADER_SIZE;
	return strstr(file, "-data") ? DATA_SIZE : QBI_QBCONTROL_SIZE;
}

static void file_make(struct input *in, const char *file, uint8_t how)
{
	bool header = strstr(file, "-header");
	off_t size = file_size(file);
	uint32_t word_size = DATA_SIZE / 4;
	uint32_t words[2] = { 0, 0 };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	if (how & 1)
		size += (int8_t)input_u8(in);
	if (how & 2)
		word_size = input_u32(in);
	if (how & 4)
		input_bytes(in, words, sizeof(words));
	FUZZ_CHECK(ftruncate(fd, size < 0 ? 0 : size) == 0);
	if (header) {
		(void)!pwrite(fd, words, sizeof(words), 0);
		(void)!pwrite(fd, &word_size, sizeof(word_size), 8);
	}
	close(fd);
}

static void files_make(struct input *in, uint8_t how)
{
	snprintf(dir, sizeof(dir), "/dev/shm/qb-%d-%d-0-fuzz", (int)getpid(), (int)getpid());
	FUZZ_CHECK(mkdir(dir, 0700) == 0 || errno == EEXIST);
	for (int i = 0; i < FILES; i++)
		file_make(in, files[i], how / 8 % (FILES + 1) == i ? how : 0);
}

static void files_remove(void)
{
	for (int i = 0; i < FILES; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static int fd_make(struct false_server *s, uint8_t kind)
{
	int *kept = s->memory < 0 ? &s->memory : &s->sent;
	size_t capacity = (size_t)qbi_ring_capacity(MAX);
	size_t size = kept == &s->memory ? 4096 + capacity : 2 * capacity;
	int pair[2] = { -1, -1 };
	int fd;

	switch (kind % 4) {
	case 0: /* memory, common first: sealed, or not quite */
		if (kind & 8)
			size = 4096;
		fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)size + (kind & 16 ? 1 : 0)) == 0);
		if (!(kind & 4))
			(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
		if (*kept < 0)
			*kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return fd;
	case 1: (void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair); break;
	case 2: (void)socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair); break;
	default: return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
	s->sockets[s->n_sockets++] = pair[0];
	return pair[1];
}

/* -- The answer -------------------------------------------------------------------- */

static void name_fill(struct input *in, char *to, const char *right, uint8_t how)
{
	switch (how % 4) {
	case 0:
	case 1: snprintf(to, QBI_WIRE_NAME_SIZE, "%s/%s", dir, right); break;
	case 2: input_bytes(in, to, input_u8(in)); break;
	default:
		memset(to, 'x', QBI_WIRE_NAME_SIZE);
		input_bytes(in, to, 16);
		break;
	}
}

static void welcome_make(struct input *in, struct qbi_welcome *w, bool native)
{
	uint16_t wrong = input_u16(in);
	uint8_t names = input_u8(in);

	qbi_welcome_init(w, 0);
	w->mark = native ? QBI_WIRE_MARK : 0;
	w->version = native;
	w->type = wrong & 1 ? QB_IPC_SOCKET : QB_IPC_SHM;
	w->max_msg_size = MAX;
	w->opaque = 1;
	name_fill(in, w->request, "qb-request-f", names);
	name_fill(in, w->response, "qb-response-f", names / 4);
	name_fill(in, w->event, "qb-event-f", names / 16);
	if (wrong & 2)
		w->id = (int32_t)input_u32(in);
	if (wrong & 4)
		w->size = (int32_t)input_u32(in);
	if (wrong & 8)
		w->error = (int32_t)input_u32(in);
	if (wrong & 16)
		w->type = (int32_t)input_u32(in);
	if (wrong & 32)
		w->max_msg_size = input_u32(in);
	if (wrong & 64)
		w->version = input_u32(in);
	if (wrong & 128)
		w->mark = input_u32(in);
	if (wrong & 256)
		w->opaque = input_u8(in) ? input_u64(in) : 0;
}

static bool welcome_may_connect(const struct qbi_welcome *w)
{
	return w->id == -1 && w->size == sizeof(*w) && w->error == 0 && w->type >= 0 &&
	       w->type <= 1 && w->max_msg_size >= MAX && w->max_msg_size <= 1u << 30 &&
	       memchr(w->request, 0, sizeof(w->request)) &&
	       memchr(w->response, 0, sizeof(w->response)) &&
	       memchr(w->event, 0, sizeof(w->event));
}

/* The server answers and may hang up. Returns whether all of the answer was sent. */
static bool answer_send(struct false_server *s, struct input *in, const struct qbi_welcome *w)
{
	uint8_t kinds = input_u8(in), cut = input_u8(in);
	unsigned int n = kinds % (FALSE_SOCKETS + 1);
	size_t size = sizeof(*w);
	int fds[FALSE_SOCKETS];

	s->stream = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	FUZZ_CHECK(s->stream >= 0);
	if (cut & 1)
		size = input_u16(in) % sizeof(*w);
	for (unsigned int i = 0; i < n; i++)
		fds[i] = fd_make(s, input_u8(in));
	(void)send_with(s->stream, w, size, fds, n);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	if (cut & 2 || size < sizeof(*w))
		s->stream = qbi_close(s->stream);
	return size == sizeof(*w);
}

/* The bell, if the client has made one; or its second stream, on which it is not answered. */
static void listener_empty(struct false_server *s)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	while (poll(&p, 1, 0) > 0) {
		s->bell = qbi_close(s->bell);
		s->bell = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		FUZZ_CHECK(s->bell >= 0);
	}
}

/* -- A client that believes that it is connected. None of what it calls waits. ------ */

static void client_send(qb_ipcc_connection_t *c, uint8_t how)
{
	static struct {
		struct qb_ipc_request_header hdr;
		char body[MAX - sizeof(struct qb_ipc_request_header)];
	} request = { .hdr = { .id = 1 } };
	ssize_t n;

	request.hdr.size = (int32_t)(sizeof(request.hdr) + how * (size_t)48);
	n = qb_ipcc_send(c, &request, (size_t)request.hdr.size);
	FUZZ_CHECK(n < 0 || n == request.hdr.size);
}

static void client_receive(qb_ipcc_connection_t *c, bool event, uint8_t how)
{
	char buf[MAX];
	size_t room = how ? how : sizeof(buf);
	ssize_t n = event ? qb_ipcc_event_recv(c, buf, room, 0) : qb_ipcc_recv(c, buf, room, 0);

	FUZZ_CHECK(n <= (ssize_t)room);
}

static void client_act(qb_ipcc_connection_t *c, struct input *in, unsigned int *sends)
{
	uint8_t how = input_u8(in);
	bool over = !qb_ipcc_is_connected(c);

	switch (how % 4) {
	case 0:
		/* Not as many as fill a queue, for then it waits a moment. */
		if (++*sends <= SENDS)
			client_send(c, input_u8(in));
		break;
	case 1: client_receive(c, false, how / 4); break;
	default: client_receive(c, true, how / 4); break;
	}
	FUZZ_CHECK(!over || !qb_ipcc_is_connected(c));
}

static void connection_use(qb_ipcc_connection_t *c, struct false_server *s,
			   const struct qbi_welcome *w, struct input *in)
{
	unsigned int sends = 0;
	int32_t fd;

	(void)qb_ipcc_fd_get(c, &fd);
	client_send(c, 0);
	client_receive(c, false, 0);
	client_receive(c, true, 0);
	for (int i = 0; i < STEPS && in->left; i++)
		if (input_u8(in) & 1)
			client_act(c, in, &sends);
		else
			false_server_act(s, w, dir, in);
}

static void listener_open(void)
{
	struct sockaddr_un address;

	snprintf(name, sizeof(name), "fuzz-welcome-%d", (int)getpid());
	address = service_address(name);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		   listen(listener, 8) == 0);
	(void)qbipc_busy_poll_set(0);
}

/* A thread closes those of the server's that a close might wait for. */
static void fds_must_come_back(unsigned int fds)
{
	for (int left_ms = FDS_BACK_MS; fds_count() != fds && left_ms > 0; left_ms--)
		usleep(1000);
	FUZZ_CHECK(fds_count() == fds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 143, 1, SIZE_MAX, SIZE_MAX };
	static struct qbi_welcome w;
	struct false_server server = FALSE_SERVER_INIT;
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	qb_ipcc_connection_t *c;
	unsigned int fds;
	int fd = -1, r;
	bool whole;

	if (listener < 0)
		listener_open();
	fds = fds_count();
	qbipc_native_set(1);
	piece_max = pieces[how % 4];
	files_make(&in, input_u8(&in));
	c = qb_ipcc_connect_async(name, MAX, &fd);
	FUZZ_CHECK(c);
	welcome_make(&in, &w, how & 4);
	false_server_bind(&server, &w);
	whole = answer_send(&server, &in, &w);
	r = qb_ipcc_connect_continue(c);
	listener_empty(&server);
	FUZZ_CHECK(r != 0 || (whole && welcome_may_connect(&w)));
	if (r == 0) {
		connection_use(c, &server, &w, &in);
		qb_ipcc_disconnect(c);
	}
	false_server_close(&server);
	files_remove();
	fds_must_come_back(fds);
	return 0;
}
