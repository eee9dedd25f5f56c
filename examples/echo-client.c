/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Echo client: sends requests to echo-server and checks what comes back; on demand
 * receives events, or measures round trips and says how long they took.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <qb/qbdefs.h>
#include <qb/qbipcc.h>

#include "echo.h"

#define TIMEOUT_MS 5000

struct settings {
	const char *name;
	size_t size;	     /* bytes of a whole message */
	unsigned long count; /* requests to send */
	uint32_t n_events;   /* events to ask for afterwards */
	int benchmark;	     /* measure instead of printing */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * QB_TIME_NS_IN_SEC + (uint64_t)ts.tv_nsec;
}

static int complain(const char *what, ssize_t error)
{
	fprintf(stderr, "echo-client: %s: %s\n", what, strerror((int)-error));
	return -1;
}

/* -- Round trips --------------------------------------------------------------- */

/*
 * Send @request and receive its response into @reply, which has room for as much. A
 * server that has no room for the request now will have it soon.
 */
static int request_exchange(qb_ipcc_connection_t *c, struct echo_message *request,
			    struct echo_message *reply)
{
	static const struct timespec soon = { .tv_nsec = 100000 };
	size_t size = (size_t)request->header.size;
	struct iovec iov = { request, size };
	uint64_t give_up = 0;
	ssize_t n;

	for (;;) {
		n = qb_ipcc_sendv_recv(c, &iov, 1, reply, size, TIMEOUT_MS);
		if (n != -EAGAIN)
			break;
		if (!give_up)
			give_up = now_ns() + TIMEOUT_MS * QB_TIME_NS_IN_MSEC;
		if (now_ns() >= give_up)
			break;
		nanosleep(&soon, NULL);
	}
	if (n < 0)
		return complain("request", n);
	if ((size_t)n != size || memcmp(request, reply, size) != 0) {
		fputs("echo-client: the response is not what was sent\n", stderr);
		return -1;
	}
	return 0;
}

static int requests_print(qb_ipcc_connection_t *c, const struct settings *s,
			  struct echo_message *request, struct echo_message *reply)
{
	size_t room = s->size - offsetof(struct echo_message, payload);
	unsigned long i;

	for (i = 1; i <= s->count; i++) {
		snprintf(request->payload, room, "message %lu", i);
		if (request_exchange(c, request, reply) < 0)
			return -1;
		printf("%.*s\n", (int)room, reply->payload);
	}
	return 0;
}

static int time_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int requests_measure(qb_ipcc_connection_t *c, const struct settings *s,
			    struct echo_message *request, struct echo_message *reply)
{
	uint64_t *times = calloc(s->count, sizeof(*times));
	unsigned long i;
	int r = -1;

	if (!times)
		return complain("times", -ENOMEM);
	for (i = 0; i < s->count; i++) {
		uint64_t start = now_ns();

		if (request_exchange(c, request, reply) < 0)
			goto out;
		times[i] = now_ns() - start;
	}
	qsort(times, s->count, sizeof(*times), time_compare);
	printf("%lu round trips of %zu bytes: p50 %.1f us, p99 %.1f us\n", s->count, s->size,
	       (double)times[s->count / 2] / 1000,
	       (double)times[s->count - 1 - s->count / 100] / 1000);
	r = 0;
out:
	free(times);
	return r;
}

/* -- Events -------------------------------------------------------------------- */

/* Wait in poll(2), as a program with other things to do would. */
static int event_wait(qb_ipcc_connection_t *c)
{
	struct pollfd pfd = { .events = POLLIN };
	int r = qb_ipcc_fd_get(c, &pfd.fd);

	if (r < 0)
		return complain("fd_get", r);
	r = poll(&pfd, 1, TIMEOUT_MS);
	if (r == 0)
		return complain("event", -ETIMEDOUT);
	return r < 0 ? complain("poll", -errno) : 0;
}

static int events_receive(qb_ipcc_connection_t *c, uint32_t n_events)
{
	struct echo_message m = {
		.header = { ECHO_WANT_EVENTS, sizeof(m), 0 },
		.n_events = n_events,
	};
	struct echo_message reply;
	uint32_t i;

	if (request_exchange(c, &m, &reply) < 0)
		return -1;
	for (i = 0; i < n_events; i++) {
		ssize_t n;

		if (event_wait(c) < 0)
			return -1;
		n = qb_ipcc_event_recv(c, &m, sizeof(m), 0);
		if (n < 0)
			return complain("event", n);
		if (m.header.id != ECHO_EVENT || m.n_events != i) {
			fputs("echo-client: this is not the next event\n", stderr);
			return -1;
		}
	}
	printf("%lu events received in order\n", (unsigned long)n_events);
	return 0;
}

/* -- Command line -------------------------------------------------------------- */

static void usage(FILE *out)
{
	fputs("Usage: echo-client [OPTION...]\n"
	      "Send requests to echo-server and check the responses.\n\n"
	      "  -n, --name=NAME      connect to this name [" ECHO_NAME "]\n"
	      "  -s, --size=BYTES     size of a message, 32 to 1048576 [64]\n"
	      "  -c, --count=N        send N requests [3]\n"
	      "  -e, --events=N       then ask for N events [0]\n"
	      "  -b, --benchmark      print the times of the round trips only\n"
	      "  -h, --help           show this and exit\n",
	      out);
}

static int number_parse(const char *text, unsigned long min, unsigned long max,
			unsigned long *ret_number)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n < min || n > max) {
		fprintf(stderr, "echo-client: %s: not a number from %lu to %lu\n", text, min,
			max);
		return -EINVAL;
	}
	*ret_number = n;
	return 0;
}

static int options_parse(int argc, char **argv, struct settings *s)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "events", required_argument, NULL, 'e' },
		{ "benchmark", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long n = 0;
	int opt, r = 0;

	while (r == 0) {
		opt = getopt_long(argc, argv, "n:s:c:e:bh", options, NULL);
		if (opt == -1)
			break;
		switch (opt) {
		case 'n': s->name = optarg; break;
		case 's':
			r = number_parse(optarg, 32, ECHO_MAX_SIZE, &n);
			s->size = n;
			break;
		case 'c': r = number_parse(optarg, 1, 100000000, &s->count); break;
		case 'e':
			r = number_parse(optarg, 0, 100000000, &n);
			s->n_events = (uint32_t)n;
			break;
		case 'b': s->benchmark = 1; break;
		case 'h': usage(stdout); exit(EXIT_SUCCESS);
		default: r = -EINVAL;
		}
	}
	if (r == 0 && optind < argc)
		r = -EINVAL;
	if (r < 0)
		usage(stderr);
	return r;
}

int main(int argc, char **argv)
{
	struct settings s = { .name = ECHO_NAME, .size = 64, .count = 3 };
	struct echo_message *request, *reply;
	qb_ipcc_connection_t *c;
	int r = -1;

	if (options_parse(argc, argv, &s) < 0)
		return 2;
	request = calloc(1, s.size);
	reply = calloc(1, s.size);
	c = qb_ipcc_connect(s.name, s.size);
	if (!c || !request || !reply) {
		fprintf(stderr, "echo-client: %s: %s\n", s.name, strerror(errno));
		goto out;
	}
	request->header.id = ECHO_REQUEST;
	request->header.size = (int32_t)s.size;
	r = s.benchmark ? requests_measure(c, &s, request, reply) :
			  requests_print(c, &s, request, reply);
	if (r == 0 && s.n_events > 0)
		r = events_receive(c, s.n_events);
out:
	qb_ipcc_disconnect(c);
	free(reply);
	free(request);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
