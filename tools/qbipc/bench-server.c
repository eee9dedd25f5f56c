/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of a benchmark: a child process that echoes every request. It ends when its
 * parent has ended, for whatever reason, and removes its files of libqb's wire.
 */
#include "tools/qbipc/bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#define START_MS 10000

static qb_loop_t *loop;

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t fd_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t fd_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t fd_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t client_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	(void)c;
	(void)gid;
	return uid == geteuid() || uid == 0 ? 0 : -EACCES;
}

static int32_t request_answer(qb_ipcs_connection_t *c, void *data, size_t size)
{
	return qb_ipcs_response_send(c, data, size) < 0 ? -1 : 0;
}

static int32_t parent_gone(int32_t fd, int32_t revents, void *data)
{
	(void)fd;
	(void)revents;
	(void)data;
	qb_loop_stop(loop);
	return -1;
}

/* Writes the result of the start, an int, to @ready, and serves until @life is closed. */
static void serve(const char *name, enum qb_ipc_type type, int ready, int life)
{
	struct qb_ipcs_poll_handlers poll = { job_add, fd_add, fd_mod, fd_del };
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = client_accept,
		.msg_process = request_answer,
	};
	qb_ipcs_service_t *service = NULL;
	int r;

	/* A terminal sends these to both processes; the parent acts on them. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	loop = qb_loop_create();
	if (loop)
		service = qb_ipcs_create(name, 0, type, &handlers);
	if (service) {
		qb_ipcs_poll_handlers_set(service, &poll);
		r = qb_ipcs_run(service);
	} else {
		r = -errno;
	}
	if (r == 0)
		r = qb_loop_poll_add(loop, QB_LOOP_HIGH, life, POLLIN, NULL, parent_gone);
	if (write(ready, &r, sizeof(r)) != (ssize_t)sizeof(r) || r < 0)
		_exit(1);
	close(ready);
	qb_loop_run(loop);
	qb_ipcs_destroy(service);
	qb_loop_destroy(loop);
	_exit(0);
}

/* Wait for the result that the child writes. */
static int start_wait(int ready)
{
	struct pollfd p = { .fd = ready, .events = POLLIN };
	int n, result;

	do
		n = poll(&p, 1, START_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	if (read(ready, &result, sizeof(result)) != (ssize_t)sizeof(result))
		return -ECHILD;
	return result;
}

int bench_server_start(struct bench_server *s, enum qb_ipc_type type)
{
	static unsigned int counter;
	int ready[2], life[2];
	int r;

	snprintf(s->name, sizeof(s->name), "qbipc-bench-%d-%u", (int)getpid(), ++counter);
	if (pipe(ready) < 0)
		return -errno;
	if (pipe(life) < 0) {
		r = -errno;
		goto close_ready;
	}
	/* Otherwise the child would write buffered output a second time. */
	fflush(NULL);
	s->pid = fork();
	if (s->pid == 0) {
		close(ready[0]);
		close(life[1]);
		serve(s->name, type, ready[1], life[0]);
	}
	r = s->pid < 0 ? -errno : 0;
	close(life[0]);
	s->life = life[1];
	if (r == 0) {
		close(ready[1]);
		ready[1] = -1;
		r = start_wait(ready[0]);
	}
	if (r < 0)
		bench_server_stop(s);
close_ready:
	close(ready[0]);
	if (ready[1] >= 0)
		close(ready[1]);
	return r;
}

void bench_server_stop(struct bench_server *s)
{
	if (s->life >= 0)
		close(s->life);
	s->life = -1;
	if (s->pid < 0)
		return;
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = -1;
}
