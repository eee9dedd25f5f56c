/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients that come and go, for as long as the argument says in seconds: two services, of
 * shared memory and of sockets, each in a process of its own; a thousand places for
 * clients, which connect on either wire, call with messages of many sizes, ask for events,
 * and leave; and now and then somebody who sends junk, or nothing, and leaves.
 *
 * Nothing may fail for those that are honest. At the end, when all have left, each server
 * holds what it held after a warming up: descriptors, shared memory and, but for a
 * margin, its own memory.
 */
#include "config.h"

#include <errno.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum { PLACES = 1000, SERVERS = 2, LARGEST = 12000, WAIT_MS = 10000, MARGIN_KB = 4096,
       ECHO = 1, EVENT = 3, WARM_UP_ROUNDS = 4000 };

struct message {
	struct qb_ipc_response_header hdr;
	char body[LARGEST];
};

static struct server {
	pid_t pid;
	char name[64];
} servers[SERVERS];

static struct {
	qb_ipcc_connection_t *c;
} places[PLACES];

static unsigned long connects, calls, events, hostile;
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

static struct holding holding_take(const struct server *sv)
{
	struct holding h = { 0, 0, 0, 0 };
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)sv->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "RssAnon: %ld", &h.rss_kb);
		(void)sscanf(line, "RssShmem: %ld", &h.shmem_kb);
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)sv->pid);
	h.fds = entries_count(path, "");
	snprintf(path, sizeof(path), "qb-%d-", (int)sv->pid);
	h.files = entries_count("/dev/shm", path);
	return h;
}

/* -- Clients --------------------------------------------------------------------------- */

static void client_leave(unsigned int i)
{
	if (places[i].c)
		qb_ipcc_disconnect(places[i].c);
	places[i].c = NULL;
}

static void client_come(unsigned int i)
{
	qbipc_native_set((int)random_below(2));
	places[i].c = qb_ipcc_connect(servers[random_below(SERVERS)].name, LARGEST);
	if (!places[i].c)
		fail("connect", -errno);
	connects++;
}

static void client_call(qb_ipcc_connection_t *c, int32_t id)
{
	static struct message answer;
	static struct {
		struct qb_ipc_request_header hdr;
		char body[LARGEST];
	} request;
	size_t body = random_below(random_below(4) ? 200 : LARGEST - 100);
	struct iovec iov = { &request, sizeof(request.hdr) + body };
	ssize_t n;

	request.hdr.id = id;
	request.hdr.size = (int32_t)iov.iov_len;
	memset(request.body, (int)calls, body);
	if (id == EVENT) {
		n = qb_ipcc_sendv(c, &iov, 1);
		if (n > 0)
			n = qb_ipcc_event_recv(c, &answer, sizeof(answer), WAIT_MS);
		events++;
	} else {
		n = qb_ipcc_sendv_recv(c, &iov, 1, &answer, sizeof(answer), WAIT_MS);
		calls++;
	}
	if (n != (ssize_t)(sizeof(answer.hdr) + body))
		fail("an answer", n);
	if (memcmp(answer.body, request.body, body) != 0)
		fail("another answer", n);
}

static void somebody_hostile(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t junk[8];

	memcpy(a.sun_path + 1, servers[random_below(SERVERS)].name,
	       strlen(servers[0].name));
	for (size_t i = 0; i < 8; i++)
		junk[i] = random_state * (i + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("a stranger's connect", -errno);
	(void)send(fd, junk, random_below(sizeof(junk)), MSG_NOSIGNAL);
	close(fd);
	hostile++;
}

static void round_run(void)
{
	unsigned int i = random_below(PLACES / 4);

	/* A quarter of the places is full at a time, and which quarter moves on. */
	i = (i + (unsigned int)(connects / 8)) % PLACES;
	if (random_below(32) == 0)
		somebody_hostile();
	if (!places[i].c)
		client_come(i);
	client_call(places[i].c, random_below(4) ? ECHO : EVENT);
	if (random_below(8) == 0 || connects % PLACES == 0)
		client_leave(random_below(PLACES));
	client_leave((i + PLACES / 2) % PLACES);
}

static bool server_came_to_rest(const struct server *sv, const struct holding *was)
{
	struct holding h;

	for (int tries = 0; tries < 1000; tries++) {
		struct timespec moment = { 0, 10000000 };

		h = holding_take(sv);
		if (!was || (h.fds <= was->fds && h.files <= was->files))
			break;
		nanosleep(&moment, NULL);
	}
	if (!was)
		return true;
	printf("# %s: RSS %ld kB, was %ld; shared %ld kB, was %ld; descriptors %ld, was %ld; "
	       "files %ld\n", sv->name, h.rss_kb, was->rss_kb, h.shmem_kb, was->shmem_kb, h.fds,
	       was->fds, h.files);
	/* A sanitizer keeps what is freed. */
	if (!SANITIZED && h.rss_kb > was->rss_kb + MARGIN_KB)
		return false;
	return h.fds <= was->fds && h.files <= was->files &&
	       h.shmem_kb <= was->shmem_kb + 64;
}

static void everybody_leaves(void)
{
	for (unsigned int i = 0; i < PLACES; i++)
		client_leave(i);
}

int main(int argc, char **argv)
{
	static const enum qb_ipc_type types[SERVERS] = { QB_IPC_SHM, QB_IPC_SOCKET };
	struct holding empty[SERVERS], was[SERVERS];
	struct rlimit files;
	time_t seconds = argc > 1 ? atol(argv[1]) : 5;
	time_t end;
	bool good = true;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < SERVERS; i++)
		server_start(&servers[i], types[i]);
	for (int i = 0; i < SERVERS; i++)
		empty[i] = holding_take(&servers[i]);
	for (int i = 0; i < WARM_UP_ROUNDS; i++)
		round_run();
	everybody_leaves();
	for (int i = 0; i < SERVERS; i++) {
		good &= server_came_to_rest(&servers[i], NULL);
		was[i] = holding_take(&servers[i]);
		was[i].fds = empty[i].fds;
		was[i].files = 0;
	}
	for (end = time(NULL) + seconds; time(NULL) < end;)
		round_run();
	everybody_leaves();
	printf("# %lu connects, %lu calls, %lu events, %lu hostile, in %ld s\n", connects, calls,
	       events, hostile, (long)seconds);
	for (int i = 0; i < SERVERS; i++) {
		good &= server_came_to_rest(&servers[i], &was[i]);
		kill(servers[i].pid, SIGKILL);
		waitpid(servers[i].pid, NULL, 0);
	}
	printf("%s 1 - clients come and go for %ld s\n1..1\n", good ? "ok" : "not ok",
	       (long)seconds);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
