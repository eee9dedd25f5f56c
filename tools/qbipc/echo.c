/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc echo: one request, its response, and events. Unless options change it, the layout of
 * messages is that of examples/echo.h: the header of a response, a number of events, a text.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbipcc.h>
#include <qbipc/bodies.h>
#include <qbipc/connect.h>

#include "examples/echo.h"
#include "tools/qbipc/event.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define MESSAGE_MAX (16u << 20)
#define TEXT_AT offsetof(struct echo_message, payload)

struct echo {
	const char *name;
	const char *text;
	size_t text_size;
	int32_t id;
	bool have_id;
	size_t size;   /* bytes of the request; 0: as many as the text needs */
	size_t offset; /* of the text in requests, responses and events */
	uint32_t n_events;
	int32_t timeout_ms;
	bool dump;
	bool json;
	struct json j;
};

/* Room for requests, responses and events. */
union message {
	struct qb_ipc_request_header request;
	struct qb_ipc_response_header header;
	struct echo_message message;
	char bytes[MESSAGE_MAX];
};

static union message request;
static union {
	union message m;
	char bytes[QBIPC_BODY_LIMIT];
} answer;

/* The part of an answer that is printed: from the text on, without trailing NULs. */
static size_t body_find(const struct echo *e, size_t size, const char **ret_body)
{
	size_t at = e->offset < size ? e->offset : size;

	*ret_body = answer.bytes + at;
	size -= at;
	while (size > 0 && (*ret_body)[size - 1] == '\0')
		size--;
	return size;
}

static void answer_print_json(struct echo *e, const char *kind, size_t size)
{
	const char *body;
	size_t n = body_find(e, size, &body), i;

	json_open(&e->j, NULL, '{');
	json_text(&e->j, "kind", kind);
	json_integer(&e->j, "id", answer.m.header.id);
	json_number(&e->j, "size", size);
	json_integer(&e->j, "error", answer.m.header.error);
	if (text_is_plain(body, n)) {
		json_string(&e->j, "text", body, n);
	} else {
		/* The whole message, two digits for each byte. */
		fputs(", \"hex\": \"", stdout);
		for (i = 0; i < size; i++)
			printf("%02x", (unsigned char)answer.bytes[i]);
		putchar('"');
	}
	json_close(&e->j, '}');
	e->j.more = false;
	putchar('\n');
}

/* An event of echo-server, which has a number and no text. */
static bool is_numbered_event(const struct echo *e, const char *kind, size_t size)
{
	return !e->have_id && !e->dump && strcmp(kind, "event") == 0 &&
	       size == sizeof(struct echo_message);
}

/* Print plain text as it is, anything else as a dump of the whole message. */
static int answer_print(struct echo *e, const char *kind, size_t size)
{
	const char *body;
	size_t n;

	if (size < sizeof(answer.m.header)) {
		tool_complain("%s: the %s is too short for its header", e->name, kind);
		return TOOL_FAILED;
	}
	n = body_find(e, size, &body);
	if (e->json) {
		answer_print_json(e, kind, size);
	} else if (is_numbered_event(e, kind, size)) {
		printf("event %u\n", answer.m.message.n_events);
	} else if (e->dump || !text_is_plain(body, n)) {
		text_dump(stdout, answer.bytes, size);
	} else {
		fwrite(body, 1, n, stdout);
		putchar('\n');
	}
	fflush(stdout);
	return TOOL_OK;
}

static int request_exchange(struct echo *e, qb_ipcc_connection_t *c)
{
	struct iovec iov = { &request, e->size };
	ssize_t n = qb_ipcc_sendv_recv(c, &iov, 1, &answer, sizeof(answer), e->timeout_ms);

	if (n < 0)
		return tool_fail(e->name, (int)n);
	return answer_print(e, "response", (size_t)n);
}

static int event_exchange(struct echo *e, qb_ipcc_connection_t *c)
{
	size_t size;
	int status = event_receive(c, e->name, e->timeout_ms, &answer, sizeof(answer), &size);

	return status == TOOL_OK ? answer_print(e, "event", size) : status;
}

static void request_fill(struct echo *e)
{
	size_t least = e->offset + e->text_size;

	if (least < sizeof(struct echo_message))
		least = sizeof(struct echo_message);
	if (e->size == 0)
		e->size = least;
	if (!e->have_id)
		e->id = e->n_events ? ECHO_WANT_EVENTS : ECHO_REQUEST;
	request.request.id = e->id;
	request.request.size = (int32_t)e->size;
	if (!e->have_id && e->n_events)
		request.message.n_events = e->n_events;
	memcpy(request.bytes + e->offset, e->text, e->text_size);
}

static int echo_exchange(struct echo *e)
{
	qb_ipcc_connection_t *c;
	int status;
	uint32_t i;

	c = qbipc_connect_timeout(e->name, e->size, e->timeout_ms);
	if (!c)
		return tool_fail(e->name, errno);
	(void)qbipc_body_limit_set(c, sizeof(answer));
	status = request_exchange(e, c);
	for (i = 0; i < e->n_events && status == TOOL_OK; i++)
		status = event_exchange(e, c);
	qb_ipcc_disconnect(c);
	return status;
}

/* Read the text from standard input. */
static void text_read(const struct tool_command *self, struct echo *e)
{
	static char input[MESSAGE_MAX];

	e->text_size = fread(input, 1, sizeof(input), stdin);
	if (e->text_size == sizeof(input) || ferror(stdin))
		tool_misused(self, "cannot read a text of that size from standard input");
	e->text = input;
}

static void echo_check(const struct tool_command *self, const struct echo *e)
{
	if (e->offset + e->text_size > MESSAGE_MAX)
		tool_misused(self, "the text is longer than any message");
	if (e->size && e->size < e->offset + e->text_size)
		tool_misused(self, "the text does not fit: it takes %zu bytes",
			     e->offset + e->text_size);
}

static int echo_run(const struct tool_command *self, int argc, char **argv)
{
	struct echo e = { .offset = TEXT_AT, .timeout_ms = 5000, .j = { .out = stdout } };
	int option;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 'i':
			e.id = (int32_t)tool_number(self, optarg, 0, INT32_MAX);
			e.have_id = true;
			break;
		case 's':
			e.size =
				tool_number(self, optarg, sizeof(request.request), MESSAGE_MAX);
			break;
		case 'o':
			e.offset = tool_number(self, optarg, sizeof(request.request),
					       MESSAGE_MAX - 1);
			break;
		case 'e':
			e.n_events = (uint32_t)tool_number(self, optarg, 1, UINT32_MAX);
			break;
		case 't':
			e.timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS);
			break;
		case 'x': e.dump = true; break;
		case 'j': e.json = true; break;
		}
	}
	if (optind + 2 < argc)
		tool_misused(self, "%s: one argument too many", argv[optind + 2]);
	if (optind + 2 > argc)
		tool_misused(self, "the name of a service and a text are needed");
	e.name = argv[optind];
	e.text = argv[optind + 1];
	e.text_size = strlen(e.text);
	if (strcmp(e.text, "-") == 0)
		text_read(self, &e);
	echo_check(self, &e);
	request_fill(&e);
	return echo_exchange(&e);
}

static const struct option echo_options[] = {
	{ "id", required_argument, NULL, 'i' },	     { "size", required_argument, NULL, 's' },
	{ "offset", required_argument, NULL, 'o' },  { "events", required_argument, NULL, 'e' },
	{ "timeout", required_argument, NULL, 't' }, { "hex", no_argument, NULL, 'x' },
	{ "json", no_argument, NULL, 'j' },	     { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	     { NULL, 0, NULL, 0 },
};

const struct tool_command tool_echo = {
	.name = "echo",
	.summary = "send one request and print the response and events",
	.usage =
		"Usage: qbipc echo [OPTION...] NAME TEXT\n"
		"Send TEXT, or standard input if it is -, to the service NAME and print the\n"
		"response: as text, or in hexadecimal if it has bytes that are not text. The\n"
		"defaults are for echo-server of the examples.\n\n"
		"  -i, --id=NUMBER        id of the request [0, or 1 with --events]\n"
		"  -s, --size=BYTES       size of the whole request [as the text needs]\n"
		"  -o, --offset=BYTES     offset of the text in each message [28]\n"
		"  -e, --events=N         ask for N events and wait for them; with --id: only\n"
		"                         wait for them\n"
		"  -t, --timeout=SECONDS  time limit of each step [5]\n"
		"  -x, --hex              always print hexadecimal\n"
		"  -j, --json             print one object per line, for each message\n"
		"  -h, --help             show this and exit\n"
		"  -V, --version          show the version and exit\n",
	.short_options = ":i:s:o:e:t:xjhV",
	.options = echo_options,
	.run = echo_run,
};
