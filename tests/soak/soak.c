/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients that come and go, for as long as the argument says in seconds: two services, of
 * shared memory and of sockets, each in a process of its own; a thousand places for
 * clients, which connect on either wire, call with messages of many sizes, ask for events,
 * and leave; and now and then somebody who sends junk instead of a handshake, or makes
 * one, writes junk into all that it was given, and leaves.
 *
 * Nothing may fail for those that are honest. At the end, when all have left, each server
 * holds what it held after a warming up: descriptors, shared memory and, but for a
 * margin, its own memory; and so do the clients. How long they waited at most is printed.
 */
#include "config.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "base/clock.h"
#include "base/util.h"
#include "wire/handshake.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum {
	PLACES = 1000,
	SERVERS = 2,
	LARGEST = 12000,
	WAIT_MS = 10000,
	MARGIN_KB = 4096,
	ECHO = 1,
	EVENT = 3,
	WARM_UP_ROUNDS = 4000
};

struct message {
	struct qb_ipc_response_header hdr;
	char body[LARGEST];
};

static struct server {
	pid_t pid;
	char name[64];
} servers[SERVERS];

static struct place {
	qb_ipcc_connection_t *c;
	unsigned int server;
	bool native;
} places[PLACES];

static unsigned long connects, calls, events, hostile, present, most_present;

/* What took longest, and who waited for it. */
static struct slowest {
	uint64_t ns;
	struct place place;
} slowest_connect, slowest_answer, slowest_event;

static uint64_t random_state = 88172645463325252ull;

static unsigned int random_below(unsigned int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)(random_state >> 33) % n;
}

static void fail(const char *what, long result)
{
	fprintf(stderr, "not ok - %s: %ld (%s)\n", what, result,
		result < 0 ? strerror((int)-result) : "");
	exit(EXIT_FAILURE);
}

/* -- The servers -------------------------------------------------------------------- */

static qb_loop_t *loop;

static int32_t loop_add(enum qb_loop_priority p, int32_t fd, int32_t ev, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, ev, data, fn);
}

static int32_t loop_mod(enum qb_loop_priority p, int32_t fd, int32_t ev, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, ev, data, fn);
}

static int32_t loop_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t loop_job(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *request = data;
	static struct message m;
	size_t body = size - sizeof(*request);

	m.hdr = (struct qb_ipc_response_header){ .id = request->id,
						 .size = (int32_t)(sizeof(m.hdr) + body) };
	memcpy(m.body, request + 1, body);
	if (request->id == EVENT)
		(void)qb_ipcs_event_send(c, &m, (size_t)m.hdr.size);
	else
		(void)qb_ipcs_response_send(c, &m, (size_t)m.hdr.size);
	return 0;
}

static void server_run(const struct server *sv, enum qb_ipc_type type, int ready)
{
	struct qb_ipcs_service_handlers on = { .msg_process = on_msg };
	struct qb_ipcs_poll_handlers poll = { loop_job, loop_add, loop_mod, loop_del };
	qb_ipcs_service_t *s = qb_ipcs_create(sv->name, 0, type, &on);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop = qb_loop_create();
	qb_ipcs_poll_handlers_set(s, &poll);
	if (qb_ipcs_run(s) != 0 || write(ready, "", 1) != 1)
		_exit(EXIT_FAILURE);
	qb_loop_run(loop);
	_exit(EXIT_SUCCESS);
}

static void server_start(struct server *sv, enum qb_ipc_type type)
{
	int ready[2];
	char byte;

	snprintf(sv->name, sizeof(sv->name), "soak-%d-%d", (int)getpid(), (int)type);
	if (pipe(ready) < 0)
		fail("pipe", -errno);
	sv->pid = fork();
	if (sv->pid == 0)
		server_run(sv, type, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail("the server does not start", 0);
	close(ready[0]);
}

/* -- What they hold -------------------------------------------------------------------- */

struct holding {
	long rss_kb, shmem_kb, fds, files;
};

static long entries_count(const char *path, const char *prefix)
{
	DIR *d = opendir(path);
	struct dirent *e;
	long n = 0;

	while (d && (e = readdir(d)))
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	if (d)
		closedir(d);
	return n;
}

static struct holding holding_take(pid_t pid)
{
	struct holding h = { 0, 0, 0, 0 };
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "RssAnon: %ld", &h.rss_kb);
		(void)sscanf(line, "RssShmem: %ld", &h.shmem_kb);
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	h.fds = entries_count(path, "");
	snprintf(path, sizeof(path), "qb-%d-", (int)pid);
	h.files = entries_count("/dev/shm", path);
	return h;
}

/* -- Clients --------------------------------------------------------------------------- */

static void client_leave(unsigned int i)
{
	if (!places[i].c)
		return;
	qb_ipcc_disconnect(places[i].c);
	places[i].c = NULL;
	present--;
}

static void slowest_note(struct slowest *slowest, uint64_t since, const struct place *p)
{
	uint64_t took = qbi_now_ns() - since;

	if (took > slowest->ns)
		*slowest = (struct slowest){ took, *p };
}

static void slowest_print(const char *what, const struct slowest *slowest)
{
	printf("# slowest %s: %.1f ms, over %s on %s wire\n", what, (double)slowest->ns / 1e6,
	       slowest->place.server ? "sockets" : "shared memory",
	       slowest->place.native ? "the native" : "libqb's");
}

static void client_come(unsigned int i)
{
	struct place *p = &places[i];
	uint64_t since = qbi_now_ns();

	p->native = random_below(2);
	p->server = random_below(SERVERS);
	qbipc_native_set(p->native);
	p->c = qb_ipcc_connect(servers[p->server].name, LARGEST);
	if (!p->c)
		fail("connect", -errno);
	slowest_note(&slowest_connect, since, p);
	connects++;
	if (++present > most_present)
		most_present = present;
}

static void client_call(const struct place *p, int32_t id)
{
	static struct message answer;
	static struct {
		struct qb_ipc_request_header hdr;
		char body[LARGEST];
	} request;
	size_t body = random_below(random_below(4) ? 200 : LARGEST - 100);
	struct iovec iov = { &request, sizeof(request.hdr) + body };
	uint64_t since;
	ssize_t n;

	request.hdr.id = id;
	request.hdr.size = (int32_t)iov.iov_len;
	memset(request.body, (int)calls, body);
	since = qbi_now_ns();
	if (id == EVENT) {
		n = qb_ipcc_sendv(p->c, &iov, 1);
		if (n > 0)
			n = qb_ipcc_event_recv(p->c, &answer, sizeof(answer), WAIT_MS);
		events++;
	} else {
		n = qb_ipcc_sendv_recv(p->c, &iov, 1, &answer, sizeof(answer), WAIT_MS);
		calls++;
	}
	slowest_note(id == EVENT ? &slowest_event : &slowest_answer, since, p);
	if (n != (ssize_t)(sizeof(answer.hdr) + body))
		fail("an answer", n);
	if (memcmp(answer.body, request.body, body) != 0)
		fail("another answer", n);
}

/* -- Somebody hostile ------------------------------------------------------------------ */

static void junk_fill(uint64_t junk[8])
{
	for (size_t i = 0; i < 8; i++)
		junk[i] = random_state * (i + 1);
}

static void junk_send(int fd)
{
	uint64_t junk[8];

	junk_fill(junk);
	(void)send(fd, junk, random_below(sizeof(junk)), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Where the words of rings lie, and cut off now and then if it can be. */
static void junk_write(int fd)
{
	uint64_t junk[8];

	junk_fill(junk);
	(void)!pwrite(fd, junk, sizeof(junk), random_below(16) * 64);
	if (random_below(4) == 0)
		(void)!ftruncate(fd, 0);
}

static void files_spoil(const char *prefix)
{
	static const char *const suffixes[] = { "", "-header", "-data" };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(suffixes); i++) {
		char path[QBI_WIRE_NAME_SIZE + 16];
		int fd;

		snprintf(path, sizeof(path), "%s%s", prefix, suffixes[i]);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		junk_write(fd);
		close(fd);
	}
}

static void descriptors_spoil(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fds[3];
	size_t n;

	if (!c || c->cmsg_type != SCM_RIGHTS)
		return;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	junk_write(fds[0]);
	for (size_t i = 0; i < n; i++) {
		junk_send(fds[i]);
		close(fds[i]);
	}
}

/* A handshake as it should be, and nothing after it. */
static void connection_spoil(int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 3)];
	} control;
	static struct qbi_welcome w;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct timeval patience = { WAIT_MS / 1000, 0 };
	struct qbi_hello hello;

	qbi_hello_init(&hello, LARGEST, random_below(2));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello) ||
	    recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != sizeof(w) || w.error != 0)
		fail("a stranger's handshake", -errno);
	descriptors_spoil(&m);
	if (!w.version) {
		files_spoil(w.request);
		files_spoil(w.event);
	}
	junk_send(fd);
}

static void somebody_hostile(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path + 1, servers[random_below(SERVERS)].name, strlen(servers[0].name));
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("a stranger's connect", -errno);
	if (random_below(2))
		connection_spoil(fd);
	else
		junk_send(fd);
	close(fd);
	hostile++;
}

/* -- All of them ----------------------------------------------------------------------- */

static void round_run(void)
{
	unsigned int i = random_below(PLACES / 4);

	/* A quarter of the places is full at a time, and which quarter moves on. */
	i = (i + (unsigned int)(connects / 8)) % PLACES;
	if (random_below(32) == 0)
		somebody_hostile();
	if (!places[i].c)
		client_come(i);
	client_call(&places[i], random_below(4) ? ECHO : EVENT);
	if (random_below(8) == 0 || connects % PLACES == 0)
		client_leave(random_below(PLACES));
	client_leave((i + PLACES / 2) % PLACES);
}

/* What it holds when its clients have left, of which a server may hear in a moment. */
static struct holding holding_at_rest(pid_t pid, const struct holding *was)
{
	struct holding h;

	for (int tries = 0; tries < 1000; tries++) {
		struct timespec moment = { 0, 10000000 };

		h = holding_take(pid);
		if (h.fds <= was->fds && h.files <= was->files)
			break;
		nanosleep(&moment, NULL);
	}
	return h;
}

static bool holds_no_more(const char *who, pid_t pid, const struct holding *was)
{
	struct holding h = holding_at_rest(pid, was);

	printf("# %s: RSS %ld kB, was %ld; shared %ld kB, was %ld; descriptors %ld, was %ld; "
	       "files %ld\n",
	       who, h.rss_kb, was->rss_kb, h.shmem_kb, was->shmem_kb, h.fds, was->fds, h.files);
	/* A sanitizer keeps what is freed. */
	if (!SANITIZED && h.rss_kb > was->rss_kb + MARGIN_KB)
		return false;
	return h.fds <= was->fds && h.files <= was->files && h.shmem_kb <= was->shmem_kb + 64;
}

static void everybody_leaves(void)
{
	for (unsigned int i = 0; i < PLACES; i++)
		client_leave(i);
}

int main(int argc, char **argv)
{
	static const enum qb_ipc_type types[SERVERS] = { QB_IPC_SHM, QB_IPC_SOCKET };
	struct holding was[SERVERS], own;
	struct rlimit files;
	time_t seconds = argc > 1 ? atol(argv[1]) : 5;
	time_t end;
	bool good = true;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < SERVERS; i++)
		server_start(&servers[i], types[i]);
	own = holding_take(getpid());
	for (int i = 0; i < SERVERS; i++)
		was[i] = holding_take(servers[i].pid);
	for (int i = 0; i < WARM_UP_ROUNDS; i++)
		round_run();
	everybody_leaves();
	/* Descriptors and files as at the start, memory as the warming up has left it. */
	own.rss_kb = holding_take(getpid()).rss_kb;
	for (int i = 0; i < SERVERS; i++) {
		struct holding warm = holding_at_rest(servers[i].pid, &was[i]);

		was[i].rss_kb = warm.rss_kb;
		was[i].shmem_kb = warm.shmem_kb;
	}
	slowest_connect.ns = slowest_answer.ns = slowest_event.ns = 0;
	for (end = time(NULL) + seconds; time(NULL) < end;)
		round_run();
	everybody_leaves();
	printf("# %lu connects, %lu at once, %lu calls, %lu events, %lu hostile, in %ld s\n",
	       connects, most_present, calls, events, hostile, (long)seconds);
	slowest_print("connect", &slowest_connect);
	slowest_print("answer", &slowest_answer);
	slowest_print("event", &slowest_event);
	good &= holds_no_more("clients", getpid(), &own);
	for (int i = 0; i < SERVERS; i++) {
		good &= holds_no_more(servers[i].name, servers[i].pid, &was[i]);
		kill(servers[i].pid, SIGKILL);
		waitpid(servers[i].pid, NULL, 0);
	}
	printf("%s 1 - clients come and go for %ld s\n1..1\n", good ? "ok" : "not ok",
	       (long)seconds);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
