/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An echo server that is told what to do over descriptor 0, a SOCK_SEQPACKET socket:
 * a line of text per command, a line back. Built once against each library, so it uses
 * nothing but their common interface, and listen.h.
 *
 *   compat-server NAME shm|socket MIN-SIZE [UID GID MODE]
 *
 * The last three are given to auth_set. Ends when descriptor 0 is closed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "tests/compat/app-loop.h"
#include "tests/compat/listen.h"
#include "tests/compat/protocol.h"
#include "tests/lib/pattern.h"

enum { PUMP_NS = 200 * 1000, TRACE_SIZE = 4096 };

struct event {
	struct qb_ipc_response_header hdr;
	uint8_t body[COMPAT_EVENT_MAX - sizeof(struct qb_ipc_response_header)];
};

static qb_ipcs_service_t *service;
static struct event event;
static char trace[TRACE_SIZE];
static int refuse_with;
static int events_in_created;
static int responses_in_created;
static struct {
	int32_t next;
	int32_t end;
	size_t size;
	int failure;
} pump;
static struct {
	bool given;
	uid_t uid;
	gid_t gid;
	mode_t mode;
} owner;

static void note(const char *what)
{
	size_t at = strlen(trace);

	snprintf(trace + at, sizeof(trace) - at, "%s%s", at ? " " : "", what);
}

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	note("accept");
	if (owner.given)
		qb_ipcs_connection_auth_set(c, owner.uid, owner.gid, owner.mode);
	return refuse_with;
}

/* @size: in all, header included. */
static const void *message_fill(int32_t id, size_t size)
{
	event.hdr = (struct qb_ipc_response_header){ .id = id, .size = (int32_t)size };
	pattern_fill(event.body, size - sizeof(event.hdr), (uint32_t)id);
	return &event;
}

static ssize_t event_send(qb_ipcs_connection_t *c, int32_t id, size_t size)
{
	return qb_ipcs_event_send(c, message_fill(id, size), size);
}

static ssize_t response_send(qb_ipcs_connection_t *c, int32_t id, size_t size)
{
	return qb_ipcs_response_send(c, message_fill(id, size), size);
}

static void on_created(qb_ipcs_connection_t *c)
{
	note("created");
	for (int32_t id = 0; id < responses_in_created; id++)
		if (response_send(c, id, COMPAT_EARLY_SIZE) != COMPAT_EARLY_SIZE)
			note("early-response-failed");
	for (int32_t id = 0; id < events_in_created; id++)
		if (event_send(c, id, COMPAT_EARLY_SIZE) != COMPAT_EARLY_SIZE)
			note("early-event-failed");
}

/* Does not return to the loop before all are accepted. */
static void stress(qb_ipcs_connection_t *c)
{
	for (int32_t id = 0; id < COMPAT_STRESS_EVENTS; id++) {
		ssize_t n;

		while ((n = event_send(c, id, COMPAT_STRESS_SIZE(id))) == -EAGAIN ||
		       n == -ENOBUFS)
			usleep(200);
		if (n < 0) {
			note("stress-failed");
			return;
		}
	}
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct qb_ipc_request_header in;
	struct qb_ipc_response_header out = { 0 };
	struct iovec iov[2] = { { &out, sizeof(out) },
				{ (char *)data + sizeof(in), size - sizeof(in) } };
	ssize_t n;

	/* libqb hands out messages that are not aligned for their header. */
	memcpy(&in, data, sizeof(in));
	if (in.id == COMPAT_SILENT)
		return 0;
	out.id = in.id;
	out.size = (int32_t)(sizeof(out) + size - sizeof(in));
	if (in.id == COMPAT_STRESS)
		out.size = sizeof(out);
	n = in.id == COMPAT_EVENT ? qb_ipcs_event_sendv(c, iov, 2) :
				    qb_ipcs_response_sendv(c, iov, 2);
	if (n != out.size)
		note("answer-failed");
	if (in.id == COMPAT_STRESS)
		stress(c);
	return 0;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	note("closed");
	return 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	note("destroyed");
}

/* Send the pump's events to the newest connection until there is no room. */
static void pump_events(void *data)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);
	qb_loop_timer_handle timer;
	ssize_t n = 0;

	while (c && pump.next < pump.end) {
		n = event_send(c, pump.next, pump.size);
		if (n < 0)
			break;
		pump.next++;
	}
	if (n < 0 && n != -EAGAIN)
		pump.failure = (int)n;
	qb_ipcs_connection_unref(c);
	if (c && !pump.failure && pump.next < pump.end)
		qb_loop_timer_add(loop, QB_LOOP_MED, PUMP_NS, NULL, pump_events, &timer);
}

static void disconnect_all(void)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);

	while (c) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(service, c);

		qb_ipcs_disconnect(c);
		qb_ipcs_connection_unref(c);
		c = next;
	}
}

/* Events to the newest connection until one is refused: "accepted last-result". */
static void burst(int32_t first, int32_t count, size_t size, char *reply, size_t reply_size)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);
	ssize_t n = 0;
	int32_t id;

	for (id = first; c && id < first + count; id++) {
		n = event_send(c, id, size);
		if (n < 0)
			break;
	}
	qb_ipcs_connection_unref(c);
	snprintf(reply, reply_size, "%d %zd", id - first, n);
}

static void tell_connection(char *reply, size_t reply_size)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service);
	struct qb_ipcs_connection_stats stats = { 0 };

	qb_ipcs_connection_stats_get(c, &stats, 0);
	snprintf(reply, reply_size, "%d %d %llu %llu %llu",
		 c ? qb_ipcs_connection_get_buffer_size(c) : -1, stats.client_pid,
		 (unsigned long long)stats.requests, (unsigned long long)stats.responses,
		 (unsigned long long)stats.events);
	qb_ipcs_connection_unref(c);
}

static void obey(const char *command, char *reply, size_t reply_size)
{
	int a = 0, b = 0, n = 0;

	strcpy(reply, "ok");
	if (sscanf(command, "rate %d", &a) == 1)
		qb_ipcs_request_rate_limit(service, (enum qb_ipcs_rate_limit)a);
	else if (sscanf(command, "refuse %d", &a) == 1)
		refuse_with = a;
	else if (sscanf(command, "early %d", &a) == 1)
		events_in_created = a;
	else if (sscanf(command, "respond-early %d", &a) == 1)
		responses_in_created = a;
	else if (sscanf(command, "burst %d %d %d", &a, &n, &b) == 3)
		burst(a, n, (size_t)b, reply, reply_size);
	else if (sscanf(command, "pump %d %d", &n, &b) == 2) {
		pump.next = 0;
		pump.end = n;
		pump.size = (size_t)b;
		pump_events(NULL);
	} else if (!strcmp(command, "pumped"))
		snprintf(reply, reply_size, "%d %d", pump.next, pump.failure);
	else if (!strcmp(command, "disconnect"))
		disconnect_all();
	else if (!strcmp(command, "connection"))
		tell_connection(reply, reply_size);
	else if (!strcmp(command, "trace"))
		snprintf(reply, reply_size, "%s", trace);
	else
		strcpy(reply, "unknown command");
}

static int32_t on_control(int32_t fd, int32_t revents, void *data)
{
	char command[256], reply[TRACE_SIZE];
	ssize_t n = recv(fd, command, sizeof(command) - 1, 0);

	if (n <= 0) {
		qb_loop_stop(loop);
		return 0;
	}
	command[n] = '\0';
	obey(command, reply, sizeof(reply));
	if (send(fd, reply, strlen(reply) + 1, MSG_NOSIGNAL) < 0)
		qb_loop_stop(loop);
	return 0;
}

static int32_t service_open(const char *name, const char *type, uint32_t min_size)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = on_accept,
		.connection_created = on_created,
		.msg_process = on_msg,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
	};
	int32_t result;

	service = qb_ipcs_create(name, 0, strcmp(type, "shm") ? QB_IPC_SOCKET : QB_IPC_SHM,
				 &handlers);
	if (!service)
		return -errno;
	if (min_size)
		qb_ipcs_enforce_buffer_size(service, min_size);
	qb_ipcs_poll_handlers_set(service, &loop_handlers);
	result = compat_listen(service);
	return result < 0 ? result : qb_ipcs_run(service);
}

int main(int argc, char **argv)
{
	char reply[32];
	int32_t result;

	if (argc != 4 && argc != 7) {
		fprintf(stderr, "usage: %s NAME shm|socket MIN-SIZE [UID GID MODE]\n", argv[0]);
		return 2;
	}
	if (argc == 7) {
		owner.given = true;
		owner.uid = (uid_t)strtol(argv[4], NULL, 10);
		owner.gid = (gid_t)strtol(argv[5], NULL, 10);
		owner.mode = (mode_t)strtol(argv[6], NULL, 8);
	}
	signal(SIGPIPE, SIG_IGN);
	loop = qb_loop_create();
	result = service_open(argv[1], argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	snprintf(reply, sizeof(reply), "%d", result);
	if (send(0, reply, strlen(reply) + 1, MSG_NOSIGNAL) < 0 || result < 0)
		return 1;
	qb_loop_poll_add(loop, QB_LOOP_HIGH, 0, POLLIN, NULL, on_control);
	qb_loop_run(loop);
	qb_loop_poll_del(loop, 0);
	qb_ipcs_destroy(service);
	qb_loop_destroy(loop);
	return 0;
}
