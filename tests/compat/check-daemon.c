/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon of the kind that checks devices and tells who asks: it forks a process for each
 * check, with a time that it may take, reaps them by a signal that its loop watches, has
 * jobs and timers in the same loop, a pid file, and ends by a signal. A client asks and
 * exits. Built against both libraries; whoever serves and whoever asks, the transcripts
 * are the same.
 *
 *	check-daemon serve NAME SHM|SOCKET PIDFILE	returns when clients can connect
 *	check-daemon ask NAME				several clients
 *	check-daemon end NAME PIDFILE			signals, until it has ended
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbdefs.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "tests/compat/app-loop.h"

enum { MSG_STATUS = QB_IPC_MSG_USER_START + 1 };
enum { TIMEOUT_S = 60, CALL_MS = 30000, ROUNDS = 3, CLIENTS = 4 };
#define MS 1000000ULL

enum score { PENDING, GOOD, BAD, LATE, CRASHED };

struct status {
	struct qb_ipc_response_header h;
	uint32_t rounds, hangups;
	uint8_t scores[4];
};

/* -- The daemon: checks -------------------------------------------------------------- */

static struct device {
	const char *name;
	enum score outcome;   /* what its check comes to, each time */
	uint64_t may_take_ns; /* only for the one that never answers is it short */
	enum score score;
	pid_t pid;
	qb_loop_timer_handle timer;
} devices[] = {
	{ .name = "disk", .outcome = GOOD, .may_take_ns = 50000 * MS },
	{ .name = "broken", .outcome = BAD, .may_take_ns = 50000 * MS },
	{ .name = "asleep", .outcome = LATE, .may_take_ns = 10 * MS },
	{ .name = "cursed", .outcome = CRASHED, .may_take_ns = 50000 * MS },
};
enum { DEVICES = sizeof(devices) / sizeof(devices[0]) };

static qb_ipcs_service_t *service;
static struct status status = { .h = { .id = MSG_STATUS, .size = sizeof(status) } };
static unsigned int accepted, closed, destroyed, started, reaped, in_time, beats, jobs;
static bool polling;
static char order[16];
static qb_loop_signal_handle on_hup_handle;

static void check_in_child(const struct device *d)
{
	if (d->outcome == CRASHED)
		raise(SIGKILL);
	alarm(TIMEOUT_S);
	while (d->outcome == LATE)
		pause();
	_exit(d->outcome != GOOD);
}

static void on_late(void *data)
{
	struct device *d = data;

	d->timer = 0;
	d->score = LATE;
	kill(d->pid, SIGKILL);
}

static void check_start(struct device *d)
{
	fflush(stdout);
	d->pid = fork();
	if (d->pid == 0)
		check_in_child(d);
	started++;
	d->score = PENDING;
	qb_loop_timer_add(loop, QB_LOOP_LOW, d->may_take_ns, d, on_late, &d->timer);
}

static void round_start(void *data)
{
	for (size_t i = 0; i < DEVICES; i++)
		check_start(&devices[i]);
}

static void round_end(void *data)
{
	qb_loop_timer_handle unused;

	for (size_t i = 0; i < DEVICES; i++)
		status.scores[i] = (uint8_t)devices[i].score;
	status.rounds++;
	qb_loop_timer_add(loop, QB_LOOP_MED, 5 * MS, NULL, round_start, &unused);
}

static void check_end(struct device *d, int wait_status)
{
	d->pid = 0;
	reaped++;
	if (d->timer) {
		in_time++;
		qb_loop_timer_del(loop, d->timer);
		d->timer = 0;
		d->score = WIFSIGNALED(wait_status) ? CRASHED :
			   WEXITSTATUS(wait_status) ? BAD :
						      GOOD;
	}
}

/* -- The daemon: signals, and what else its loop has to do ---------------------------- */

static int32_t on_child(int32_t sig, void *data)
{
	unsigned int running = 0, ended = 0;
	int wait_status;

	for (size_t i = 0; i < DEVICES; i++) {
		struct device *d = &devices[i];

		if (d->pid > 0 && waitpid(d->pid, &wait_status, WNOHANG) == d->pid) {
			check_end(d, wait_status);
			ended++;
		}
		running += d->pid > 0;
	}
	if (ended > 0 && running == 0)
		qb_loop_job_add(loop, QB_LOOP_LOW, NULL, round_end);
	return 0;
}

static int32_t on_second_hup(int32_t sig, void *data)
{
	status.hangups += 10;
	return 0;
}

static int32_t on_hup(int32_t sig, void *data)
{
	status.hangups++;
	qb_loop_signal_mod(loop, QB_LOOP_HIGH, SIGHUP, NULL, on_second_hup, on_hup_handle);
	return 0;
}

static int32_t on_term(int32_t sig, void *data)
{
	int wait_status;

	for (size_t i = 0; i < DEVICES; i++) {
		struct device *d = &devices[i];

		if (d->pid <= 0)
			continue;
		kill(d->pid, SIGKILL);
		reaped += waitpid(d->pid, &wait_status, 0) == d->pid;
	}
	polling = false;
	qb_loop_stop(loop);
	return 0;
}

static void beat(void *data)
{
	qb_loop_timer_handle unused;

	beats++;
	qb_loop_timer_add(loop, QB_LOOP_HIGH, 2 * MS, NULL, beat, &unused);
}

static void poll_something(void *data)
{
	jobs++;
	if (polling)
		qb_loop_job_add(loop, QB_LOOP_MED, NULL, poll_something);
}

static void note(void *data)
{
	order[strlen(order)] = (char)(intptr_t)data;
}

static void *letter(char c)
{
	return (void *)(intptr_t)c;
}

static void loop_fill(void)
{
	qb_loop_signal_handle unused;

	qb_loop_job_add(loop, QB_LOOP_LOW, letter('l'), note);
	qb_loop_job_add(loop, QB_LOOP_MED, letter('m'), note);
	qb_loop_job_add(loop, QB_LOOP_HIGH, letter('h'), note);
	qb_loop_job_add(loop, QB_LOOP_HIGH, letter('H'), note);
	qb_loop_job_add(loop, QB_LOOP_LOW, letter('L'), note);
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, on_term, &unused);
	qb_loop_signal_add(loop, QB_LOOP_MED, SIGCHLD, NULL, on_child, &unused);
	qb_loop_signal_add(loop, QB_LOOP_MED, SIGHUP, NULL, on_hup, &on_hup_handle);
	polling = true;
	poll_something(NULL);
	beat(NULL);
	round_start(NULL);
}

/* -- The daemon: clients ------------------------------------------------------------- */

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	if (uid != geteuid())
		return -EPERM;
	qb_ipcs_context_set(c, &status);
	accepted++;
	return 0;
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	/* Who has left meanwhile does not matter. */
	(void)qb_ipcs_response_send(c, &status, sizeof(status));
	return 0;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	closed += qb_ipcs_context_get(c) == &status;
	return 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	destroyed += qb_ipcs_context_get(c) == &status;
}

static int service_open(const char *name, const char *type)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = on_accept,
		.msg_process = on_msg,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
	};

	service = qb_ipcs_create(name, 0, strcmp(type, "SHM") ? QB_IPC_SOCKET : QB_IPC_SHM,
				 &handlers);
	if (!service)
		return -errno;
	qb_ipcs_poll_handlers_set(service, &loop_handlers);
	return qb_ipcs_run(service);
}

/* -- The daemon: its life ------------------------------------------------------------ */

/* The file is locked as long as the daemon lives. -1 when another one does. */
static int pid_file_make(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || ftruncate(fd, 0) < 0 ||
	    dprintf(fd, "%d\n", (int)getpid()) < 0)
		return -1;
	return fd;
}

static void tell(void)
{
	printf("jobs before the first timers: %s\n", order);
	printf("rounds: %s\n", status.rounds >= ROUNDS ? "enough" : "few");
	printf("checks: %s\n", started == reaped ? "all ended" : "not all ended");
	/* All but the one that never answers; in the last round, those that had ended. */
	printf("in time: %s\n", in_time >= 3 * status.rounds ? "yes" : "no");
	printf("timers and jobs beside them: %s\n", beats > 0 && jobs > 1 ? "yes" : "no");
	printf("clients: %s\n", accepted > 0 && closed == accepted && destroyed == accepted ?
					"all gone" :
					"not all gone");
}

static int daemon_run(const char *name, const char *type, const char *pid_file, int ready)
{
	int lock = pid_file_make(pid_file);
	int r = lock < 0 ? -EEXIST : 0;

	alarm(TIMEOUT_S);
	setsid();
	loop = qb_loop_create();
	if (r == 0)
		r = service_open(name, type);
	if (r == 0)
		loop_fill();
	if (write(ready, &r, sizeof(r)) != (ssize_t)sizeof(r) || r < 0)
		return 1;
	close(ready);
	qb_loop_run(loop);
	qb_ipcs_destroy(service);
	qb_loop_destroy(loop);
	tell();
	fflush(stdout);
	unlink(pid_file);
	return 0;
}

static int serve(const char *name, const char *type, const char *pid_file)
{
	int ready[2], r;
	pid_t pid;

	if (pipe(ready) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		_exit(daemon_run(name, type, pid_file, ready[1]));
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &r, sizeof(r)) != (ssize_t)sizeof(r))
		return 1;
	if (r < 0)
		printf("does not start: %s\n", strerror(-r));
	return r < 0;
}

/* -- Clients ------------------------------------------------------------------------ */

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2 * MS }, NULL);
}

/* One question on a connection of its own. 0 or -errno. */
static int status_get(const char *name, struct status *s)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, 8192);
	struct qb_ipc_request_header h = { .id = MSG_STATUS, .size = sizeof(h) };
	struct iovec iov = { &h, sizeof(h) };
	ssize_t n;

	if (!c)
		return -errno;
	n = qb_ipcc_sendv_recv(c, &iov, 1, s, sizeof(*s), CALL_MS);
	qb_ipcc_disconnect(c);
	return n < 0 ? (int)n : n == sizeof(*s) ? 0 : -EBADMSG;
}

static int client_run(const char *name)
{
	struct status s;
	int r;

	while ((r = status_get(name, &s)) == 0 && s.rounds < ROUNDS)
		nap();
	if (r < 0) {
		printf("no answer: %s\n", strerror(-r));
		return 2;
	}
	for (size_t i = 0; i < DEVICES; i++)
		printf("%s%s=%d", i ? " " : "", devices[i].name, s.scores[i]);
	printf("\n");
	return s.scores[0] == GOOD ? 0 : 1;
}

/* Who asks and does not wait, who only connects, and who is killed before it asks. */
static int client_bad(const char *name, int kind)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, 8192);
	struct qb_ipc_request_header h = { .id = MSG_STATUS, .size = sizeof(h) };

	if (!c)
		return 2;
	if (kind == 0)
		return qb_ipcc_send(c, &h, sizeof(h)) != sizeof(h);
	if (kind == 1)
		raise(SIGKILL);
	qb_ipcc_disconnect(c);
	return 0;
}

static int ask(const char *name)
{
	fflush(stdout);
	for (int i = 0; i < CLIENTS; i++) {
		pid_t pids[2];
		int good, bad;

		for (int j = 0; j < 2; j++) {
			pids[j] = fork();
			if (pids[j] != 0)
				continue;
			alarm(TIMEOUT_S);
			good = j ? client_bad(name, i % 3) : client_run(name);
			fflush(stdout);
			_exit(good);
		}
		if (waitpid(pids[0], &good, 0) != pids[0] ||
		    waitpid(pids[1], &bad, 0) != pids[1])
			return 1;
		printf("client %d: %x, another: %x\n", i, (unsigned int)good,
		       (unsigned int)bad);
		fflush(stdout);
	}
	return 0;
}

static int end(const char *name, const char *pid_file)
{
	static const unsigned int expected[] = { 1, 11 };
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct status s;
	char text[32] = "";
	int fd = open(pid_file, O_RDWR | O_CLOEXEC);
	pid_t pid;

	alarm(TIMEOUT_S);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 1)
		return 1;
	pid = (pid_t)strtol(text, NULL, 10);
	for (size_t i = 0; i < 2; i++) {
		kill(pid, SIGHUP);
		do
			nap();
		while (status_get(name, &s) == 0 && s.hangups != expected[i]);
		printf("hangups: %u\n", s.hangups);
	}
	kill(pid, SIGTERM);
	if (fcntl(fd, F_SETLKW, &lock) < 0)
		return 1;
	printf("pid file: %s\n", access(pid_file, F_OK) < 0 ? "gone" : "still there");
	printf("after the end: %s\n", strerror(-status_get(name, &s)));
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3], argv[4]);
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "end"))
		return end(argv[2], argv[3]);
	fprintf(stderr, "usage: check-daemon serve NAME SHM|SOCKET PIDFILE | ask NAME | "
			"end NAME PIDFILE\n");
	return 2;
}
