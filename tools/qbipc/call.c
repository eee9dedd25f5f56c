/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc call: one request of any kind, its response, and events. Of messages it knows no more
 * than their header.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbipcc.h>
#include <qbipc/bodies.h>
#include <qbipc/connect.h>

#include "tools/qbipc/describe.h"
#include "tools/qbipc/event.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define MESSAGE_MAX (16u << 20)
#define BODY_MAX (MESSAGE_MAX - sizeof(struct qb_ipc_request_header))

#define NAME_SHOWN 63 /* bytes of a name that a description has at most */

enum format { FORMAT_TEXT, FORMAT_RAW, FORMAT_DUMP, FORMAT_JSON };

struct call {
	const char *name;
	const char *handler; /* its name; NULL: the id is known */
	int32_t id;
	size_t body_size;
	size_t size; /* of messages to ask for; 0: as the request needs */
	bool one_way;
	uint32_t n_events;
	int32_t timeout_ms;
	enum format format;
	struct json j;
};

static union {
	struct qb_ipc_request_header header;
	char bytes[MESSAGE_MAX];
} request;

static union {
	struct qb_ipc_response_header header;
	char bytes[QBIPC_BODY_LIMIT];
} answer;

#define REQUEST_BODY (request.bytes + sizeof(request.header))
#define ANSWER_BODY (answer.bytes + sizeof(answer.header))

/* -- Printing ---------------------------------------------------------------------- */

static void answer_print_json(struct call *o, const char *kind, size_t size)
{
	size_t n = size - sizeof(answer.header), i;

	json_open(&o->j, NULL, '{');
	json_text(&o->j, "kind", kind);
	json_integer(&o->j, "id", answer.header.id);
	json_number(&o->j, "size", size);
	json_integer(&o->j, "error", answer.header.error);
	if (text_is_plain(ANSWER_BODY, n)) {
		json_string(&o->j, "text", ANSWER_BODY, n);
	} else {
		fputs(", \"hex\": \"", stdout);
		for (i = 0; i < n; i++)
			printf("%02x", (unsigned char)ANSWER_BODY[i]);
		putchar('"');
	}
	json_close(&o->j, '}');
	o->j.more = false;
	putchar('\n');
}

static void answer_print_text(const char *kind, size_t size)
{
	size_t n = size - sizeof(answer.header);

	printf("%s: id %d, %zu bytes, error %d\n", kind, answer.header.id, size,
	       answer.header.error);
	if (n == 0)
		return;
	if (!text_is_plain(ANSWER_BODY, n)) {
		text_dump(stdout, ANSWER_BODY, n);
		return;
	}
	fwrite(ANSWER_BODY, 1, n, stdout);
	if (ANSWER_BODY[n - 1] != '\n')
		putchar('\n');
}

static int answer_print(struct call *o, const char *kind, size_t size)
{
	if (size < sizeof(answer.header)) {
		tool_complain("%s: the %s is too short for its header", o->name, kind);
		return TOOL_FAILED;
	}
	switch (o->format) {
	case FORMAT_TEXT: answer_print_text(kind, size); break;
	case FORMAT_RAW: fwrite(ANSWER_BODY, 1, size - sizeof(answer.header), stdout); break;
	case FORMAT_DUMP: text_dump(stdout, answer.bytes, size); break;
	case FORMAT_JSON: answer_print_json(o, kind, size); break;
	}
	fflush(stdout);
	return TOOL_OK;
}

/* -- Talking ----------------------------------------------------------------------- */

/* The handler of that name, as far as a description has names. */
static int handler_find(struct call *o, const qbipc_description_t *d)
{
	struct qbipc_description_handler h = { .size = sizeof(h) };
	uint32_t i, found = 0;

	for (i = 0; qbipc_description_handler_get(d, i, &h) == 0; i++) {
		if (!h.name || strncmp(o->handler, h.name, NAME_SHOWN) != 0)
			continue;
		found++;
		o->id = h.id;
		o->one_way |= (h.flags & QBIPC_HANDLER_ONE_WAY) != 0;
	}
	if (found == 1)
		return TOOL_OK;
	tool_complain(found ? "%s: there are several handlers of the name %s: give the id" :
			      "%s: there is no handler of the name %s",
		      o->name, o->handler);
	return TOOL_FAILED;
}

static int handler_resolve(struct call *o)
{
	qbipc_description_t *d;
	int status;

	if (!o->handler)
		return TOOL_OK;
	status = describe_ask(o->name, o->timeout_ms, &d);
	if (status != TOOL_OK)
		return status;
	status = handler_find(o, d);
	qbipc_description_free(d);
	return status;
}

static int request_exchange(struct call *o, qb_ipcc_connection_t *c)
{
	size_t size = sizeof(request.header) + o->body_size;
	struct iovec iov = { &request, size };
	ssize_t n;

	request.header.id = o->id;
	request.header.size = (int32_t)size;
	if (o->one_way) {
		n = qb_ipcc_sendv(c, &iov, 1);
		return n < 0 ? tool_fail(o->name, (int)n) : TOOL_OK;
	}
	n = qb_ipcc_sendv_recv(c, &iov, 1, &answer, sizeof(answer), o->timeout_ms);
	return n < 0 ? tool_fail(o->name, (int)n) : answer_print(o, "response", (size_t)n);
}

static int call_exchange(struct call *o)
{
	size_t size = sizeof(request.header) + o->body_size;
	qb_ipcc_connection_t *c;
	int status;
	uint32_t i;

	c = qbipc_connect_timeout(o->name, o->size > size ? o->size : size, o->timeout_ms);
	if (!c)
		return tool_fail(o->name, errno);
	(void)qbipc_body_limit_set(c, sizeof(answer));
	status = request_exchange(o, c);
	for (i = 0; i < o->n_events && status == TOOL_OK; i++) {
		size_t n;

		status = event_receive(c, o->name, o->timeout_ms, &answer, sizeof(answer), &n);
		if (status == TOOL_OK)
			status = answer_print(o, "event", n);
	}
	qb_ipcc_disconnect(c);
	return status;
}

/* -- Arguments --------------------------------------------------------------------- */

static void body_from_file(const struct tool_command *self, struct call *o, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	bool failed;

	if (!f)
		tool_misused(self, "%s: %s", path, strerror(errno));
	o->body_size = fread(REQUEST_BODY, 1, BODY_MAX, f);
	failed = ferror(f) || fgetc(f) != EOF;
	if (f != stdin)
		fclose(f);
	if (failed)
		tool_misused(self, "%s: cannot be read, or is larger than any message", path);
}

static int digit_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

static void body_from_hex(const struct tool_command *self, struct call *o, const char *text)
{
	const char *t = text + strspn(text, " \t\n");

	for (o->body_size = 0; *t && o->body_size < BODY_MAX; o->body_size++) {
		int high = digit_value(t[0]), low = high < 0 ? -1 : digit_value(t[1]);

		if (low < 0)
			break;
		REQUEST_BODY[o->body_size] = (char)(high << 4 | low);
		t += 2;
		t += strspn(t, " \t\n");
	}
	if (*t)
		tool_misused(self, "%s: not bytes of two hexadecimal digits", text);
}

static void body_from_text(const struct tool_command *self, struct call *o, const char *text)
{
	o->body_size = strlen(text);
	if (o->body_size > BODY_MAX)
		tool_misused(self, "the text is longer than any message");
	memcpy(REQUEST_BODY, text, o->body_size);
}

/* A number is an id, anything else the name of a handler. */
static void handler_parse(const struct tool_command *self, struct call *o, const char *text)
{
	long long id;
	char *end;

	errno = 0;
	id = strtoll(text, &end, 10);
	if (*text == '\0' || *end) {
		o->handler = text;
		return;
	}
	if (errno || id < INT32_MIN || id > INT32_MAX)
		tool_misused(self, "%s: not an id", text);
	if (id == QB_IPC_MSG_DISCONNECT)
		tool_misused(self, "%s: the id that ends a connection", text);
	o->id = (int32_t)id;
}

static void option_take(const struct tool_command *self, struct call *o, int option)
{
	switch (option) {
	case 'f': body_from_file(self, o, optarg); break;
	case 'x': body_from_hex(self, o, optarg); break;
	case 'm': body_from_text(self, o, optarg); break;
	case 's':
		o->size = tool_number(self, optarg, sizeof(request.header), MESSAGE_MAX);
		break;
	case 'o': o->one_way = true; break;
	case 'e': o->n_events = (uint32_t)tool_number(self, optarg, 1, UINT32_MAX); break;
	case 't': o->timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS); break;
	case 'r': o->format = FORMAT_RAW; break;
	case 'd': o->format = FORMAT_DUMP; break;
	case 'j': o->format = FORMAT_JSON; break;
	}
}

static int call_run(const struct tool_command *self, int argc, char **argv)
{
	struct call o = { .timeout_ms = 5000, .j = { .out = stdout } };
	int option, bodies = 0, formats = 0, status;

	while ((option = tool_option(self, argc, argv)) != -1) {
		bodies += strchr("fxm", option) != NULL;
		formats += strchr("rdj", option) != NULL;
		if (bodies > 1)
			tool_misused(self, "there can be only one body");
		if (formats > 1)
			tool_misused(self, "--raw, --hexdump and --json exclude each other");
		option_take(self, &o, option);
	}
	if (optind + 2 < argc)
		tool_misused(self, "%s: one argument too many", argv[optind + 2]);
	if (optind + 2 > argc)
		tool_misused(self, "the name of a service and an id or a handler are needed");
	o.name = argv[optind];
	handler_parse(self, &o, argv[optind + 1]);
	status = handler_resolve(&o);
	return status == TOOL_OK ? call_exchange(&o) : status;
}

static const struct option call_options[] = {
	{ "file", required_argument, NULL, 'f' },
	{ "hex", required_argument, NULL, 'x' },
	{ "text", required_argument, NULL, 'm' },
	{ "size", required_argument, NULL, 's' },
	{ "one-way", no_argument, NULL, 'o' },
	{ "events", required_argument, NULL, 'e' },
	{ "timeout", required_argument, NULL, 't' },
	{ "raw", no_argument, NULL, 'r' },
	{ "hexdump", no_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

const struct tool_command tool_call = {
	.name = "call",
	.summary = "send a message of any kind and print what comes back",
	.usage =
		"Usage: qbipc call [OPTION...] NAME ID|HANDLER\n"
		"Send a request with that id to the service NAME, and print the response: its\n"
		"header, and the rest as text, or in hexadecimal if it has bytes that are not\n"
		"text. A name of a handler instead of the id is looked up as qbipc describe\n"
		"does; if it has no response, none is awaited.\n\n"
		"  -f, --file=FILE        what follows the header of the request; -: standard\n"
		"                         input [nothing]\n"
		"  -x, --hex=BYTES        the same, in hexadecimal\n"
		"  -m, --text=TEXT        the same, as text\n"
		"  -s, --size=BYTES       largest message to agree on [as the request needs]\n"
		"  -o, --one-way          do not wait for a response\n"
		"  -e, --events=N         print N events too\n"
		"  -t, --timeout=SECONDS  time limit of each step [5]\n"
		"  -r, --raw              print what follows the header, and nothing else\n"
		"  -d, --hexdump          print the whole message in hexadecimal\n"
		"  -j, --json             print one object per line, for each message\n"
		"  -h, --help             show this and exit\n"
		"  -V, --version          show the version and exit\n",
	.short_options = ":f:x:m:s:oe:t:rdjhV",
	.options = call_options,
	.run = call_run,
};
