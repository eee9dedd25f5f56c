/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a server finds when: inside each callback, is the connection among those that
 * first_get and next_get walk over, what do the counters of the service and of the
 * connection say, is its context there, what do its sends return. Prints a transcript;
 * built against both libraries, and the transcripts are compared.
 *
 *	callbacks SHM|SOCKET
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbdefs.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "tests/compat/app-loop.h"

enum { ECHO = QB_IPC_MSG_USER_START + 1, LEAVE };
enum { SIZE = 12000, TIMEOUT_S = 20, WAIT_MS = 3000, KEPT_NS = 300000000 };

/* What a scenario does differently from: accept, answer, and let go. */
static struct scenario {
	const char *name;
	int refuse_with;      /* connection_accept returns it */
	int leave_in_created; /* qb_ipcs_disconnect() there */
	int closed_again;     /* so often connection_closed asks for another call */
	int keep;	      /* a reference, beyond connection_closed */
	int32_t request;      /* that the client sends; 0 none */
} the;

static qb_ipcs_service_t *service;
static qb_ipcs_connection_t *kept;
static int closed_left;

static void service_end(void)
{
	qb_ipcs_service_t *s = service;

	service = NULL;
	qb_ipcs_destroy(s);
}

/* -- Looking ------------------------------------------------------------------------ */

static void say_walk(qb_ipcs_connection_t *c)
{
	qb_ipcs_connection_t *at;
	int n = 0, place = 0;

	if (!service) {
		printf(" walk=-");
		return;
	}
	at = qb_ipcs_connection_first_get(service);
	while (at) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(service, at);

		n++;
		if (at == c)
			place = n;
		qb_ipcs_connection_unref(at);
		at = next;
	}
	printf(" walk=%d/%d", place, n);
}

static void say_service(void)
{
	struct qb_ipcs_stats stats;

	if (!service || qb_ipcs_stats_get(service, &stats, QB_FALSE) < 0)
		printf(" service=-");
	else
		printf(" service=%u/%u", stats.active_connections, stats.closed_connections);
}

static void say_connection(qb_ipcs_connection_t *c)
{
	struct qb_ipcs_connection_stats stats;
	int32_t r = qb_ipcs_connection_stats_get(c, &stats, QB_FALSE);

	if (r < 0)
		printf(" stats=%d", r);
	else
		printf(" stats=%u,%u,%u pid=%s", (unsigned int)stats.requests,
		       (unsigned int)stats.responses, (unsigned int)stats.events,
		       stats.client_pid > 0 ? "client" : "none");
	printf(" context=%s", qb_ipcs_context_get(c) == &the ? "set" : "none");
	printf(" id=%d size=%s", qb_ipcs_service_id_get(c),
	       qb_ipcs_connection_get_buffer_size(c) >= SIZE ? "agreed" : "none");
	printf(" of-service=%s",
	       qb_ipcs_connection_service_context_get(c) == &loop ? "set" : "none");
}

/* Why it is refused is each library's own; that it is, is not. */
static void say_event(qb_ipcs_connection_t *c)
{
	struct qb_ipc_response_header h = { .id = 99, .size = sizeof(h) };

	printf(" event=%s", qb_ipcs_event_send(c, &h, sizeof(h)) > 0 ? "sent" : "refused");
}

enum { WALK = 1, EVENT = 2, COUNTS = 4 };

static void look(const char *where, qb_ipcs_connection_t *c, int at)
{
	printf("  %s:", where);
	if (at & WALK)
		say_walk(c);
	if (at & COUNTS)
		say_service();
	say_connection(c);
	if (at & EVENT)
		say_event(c);
	printf("\n");
	fflush(stdout);
}

/* -- Callbacks ---------------------------------------------------------------------- */

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	look("accept", c, WALK | COUNTS);
	qb_ipcs_context_set(c, &the);
	return -the.refuse_with;
}

static void on_created(qb_ipcs_connection_t *c)
{
	look("created", c, WALK | COUNTS | EVENT);
	if (the.keep) {
		qb_ipcs_connection_ref(c);
		kept = c;
	}
	if (the.leave_in_created) {
		qb_ipcs_disconnect(c);
		look("created, disconnected", c, WALK | EVENT);
	}
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct qb_ipc_request_header *h = data;
	struct qb_ipc_response_header r = { .id = h->id, .size = sizeof(r) };

	look("msg_process", c, WALK | COUNTS | EVENT);
	if (h->id == LEAVE)
		qb_ipcs_disconnect(c);
	else
		printf("  answered: %zd\n", qb_ipcs_response_send(c, &r, sizeof(r)));
	return 0;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	look(closed_left == the.closed_again ? "closed" : "closed again", c, WALK | COUNTS);
	return closed_left-- > 0 ? -1 : 0;
}

/* libqb goes on to find one that somebody holds a reference of. */
static void let_go(void *data)
{
	qb_ipcs_connection_t *c = kept;

	kept = NULL;
	look("kept", c, COUNTS);
	qb_ipcs_connection_unref(c);
}

static void end(void *data)
{
	qb_loop_stop(loop);
}

/* libqb goes on to count one as active that was disconnected in created. */
static void on_destroyed(qb_ipcs_connection_t *c)
{
	look("destroyed", c, the.leave_in_created ? WALK : WALK | COUNTS);
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, end);
}

static struct qb_ipcs_service_handlers handlers = {
	.connection_accept = on_accept,
	.connection_created = on_created,
	.msg_process = on_msg,
	.connection_closed = on_closed,
	.connection_destroyed = on_destroyed,
};

/* -- The two processes --------------------------------------------------------------- */

static int client_run(const char *name)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, SIZE);
	struct qb_ipc_request_header h = { the.request, sizeof(h) };
	struct iovec iov = { &h, sizeof(h) };
	char answer[SIZE];

	if (!c)
		return 0;
	if (the.request)
		(void)qb_ipcc_sendv_recv(c, &iov, 1, answer, sizeof(answer), WAIT_MS);
	else
		(void)qb_ipcc_event_recv(c, answer, sizeof(answer), WAIT_MS);
	qb_ipcc_disconnect(c);
	return 0;
}

static int32_t on_client_exit(int32_t fd, int32_t revents, void *data)
{
	qb_loop_timer_handle unused;

	if (kept)
		qb_loop_timer_add(loop, QB_LOOP_LOW, KEPT_NS, NULL, let_go, &unused);
	return -1;
}

static void scenario_run(enum qb_ipc_type type)
{
	char name[64];
	int gone[2];
	pid_t client;

	printf("%s\n", the.name);
	fflush(stdout);
	snprintf(name, sizeof(name), "callbacks-%d", (int)getpid());
	closed_left = the.closed_again;
	loop = qb_loop_create();
	service = qb_ipcs_create(name, 7, type, &handlers);
	qb_ipcs_service_context_set(service, &loop);
	qb_ipcs_poll_handlers_set(service, &loop_handlers);
	if (qb_ipcs_run(service) < 0 || pipe(gone) < 0)
		exit(2);
	client = fork();
	if (client == 0) {
		close(gone[0]);
		_exit(client_run(name));
	}
	close(gone[1]);
	qb_loop_poll_add(loop, QB_LOOP_LOW, gone[0], POLLIN, NULL, on_client_exit);
	qb_loop_run(loop);
	qb_loop_poll_del(loop, gone[0]);
	close(gone[0]);
	if (service)
		service_end();
	waitpid(client, NULL, 0);
	qb_loop_destroy(loop);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{ .name = "a client calls and leaves", .request = ECHO },
		{ .name = "it leaves without a word" },
		{ .name = "accept refuses", .refuse_with = EACCES },
		{ .name = "disconnect in created", .leave_in_created = 1, .request = ECHO },
		{ .name = "disconnect in msg_process", .request = LEAVE },
		{ .name = "closed asks twice more", .closed_again = 2, .request = ECHO },
		{ .name = "a reference is kept", .keep = 1, .request = ECHO },
	};
	enum qb_ipc_type type =
		argc > 1 && !strcmp(argv[1], "SOCKET") ? QB_IPC_SOCKET : QB_IPC_SHM;

	alarm(TIMEOUT_S);
	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			alarm(TIMEOUT_S);
			the = scenarios[i];
			scenario_run(type);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid)
			return 1;
		if (WIFSIGNALED(status))
			printf("  ended by signal %d\n", WTERMSIG(status));
	}
	return 0;
}
