/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc watch: shows the counters of a service's connections repeatedly. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/qbipc/metrics.h"
#include "tools/qbipc/process.h"
#include "tools/qbipc/screen.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/times.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define NS_PER_S 1e9
#define COMMAND_SIZE 256
#define METRICS_CONNECTIONS 100

struct watch {
	const char *name;
	uint64_t interval_ns;
	uint64_t count; /* number of snapshots; 0: until the service ends */
	int32_t timeout_ms;
	bool json;
	bool screen; /* the table fills a terminal */
	bool openmetrics;
	const char *textfile; /* NULL: none */
	uint32_t connections; /* at most so many in metrics */
};

/* The requests of a connection in the previous snapshot, to compute a rate. */
struct known {
	uint64_t number;
	uint64_t requests;
};

struct history {
	struct known *list; /* newest connection first, as in the snapshot */
	uint32_t count;
	uint64_t time_ns; /* of the previous snapshot; 0: there was none */
};

/* Requests per second since the previous snapshot; negative: unknown. */
static double rate_of(const struct history *h, const struct qbipc_snapshot_connection *c,
		      uint64_t now)
{
	uint32_t low = 0, high = h->count;

	/* Sorted by number, descending. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (h->list[middle].number > c->number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == h->count || h->list[low].number != c->number || now <= h->time_ns ||
	    c->requests < h->list[low].requests)
		return -1;
	return (double)(c->requests - h->list[low].requests) * NS_PER_S /
	       (double)(now - h->time_ns);
}

static void history_set(struct history *h, const qbipc_snapshot_t *snapshot,
			const struct qbipc_snapshot_info *info)
{
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };
	struct known *list = calloc(info->listed + 1, sizeof(*list));

	free(h->list);
	*h = (struct history){ .list = list, .time_ns = info->time_ns };
	for (; list && h->count < info->listed; h->count++) {
		if (qbipc_snapshot_connection_get(snapshot, h->count, &c) < 0)
			break;
		list[h->count] = (struct known){ c.number, c.requests };
	}
}

/* -- Table --------------------------------------------------------------------- */

static const char *flow_name(uint32_t flow)
{
	static const char *const names[] = { "on", "off", "off-2" };

	return flow < 3 ? names[flow] : "?";
}

static void service_print(FILE *out, const struct watch *w, const qbipc_snapshot_t *snapshot,
			  const struct qbipc_snapshot_info *info)
{
	text_print(out, w->name, strlen(w->name));
	fprintf(out, ": pid %d, uid %u, %u connections, %" PRIu64 " ended, flow %s\n",
		(int)info->pid, info->uid, info->connections, info->closed,
		flow_name(info->flow));
	times_print_lines(out, snapshot);
	if (info->listed < info->connections)
		fprintf(out, "the newest %u of them:\n", info->listed);
	fprintf(out, "%8s %8s %7s %-8s %-5s %6s %12s %12s %12s %9s %8s  %-14s %s\n", "NUMBER",
		"PID", "UID", "WIRE", "FLOW", "QUEUE", "REQUESTS", "RESPONSES", "EVENTS",
		"REQ/S", "AGE", "WHY", "COMMAND");
}

static void age_print(FILE *out, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (s < 100 * 3600ull)
		fprintf(out, "%2u:%02u:%02u", (unsigned int)(s / 3600),
			(unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	else
		fprintf(out, "%7" PRIu64 "d", s / 86400);
}

static void connection_print(FILE *out, const struct qbipc_snapshot_connection *c, double rate)
{
	char command[COMMAND_SIZE], wire[32];
	size_t n = process_command(c->pid, command, sizeof(command));

	tool_wire_name(c->native, wire, sizeof(wire));
	fprintf(out,
		"%8" PRIu64 " %8d %7u %-8s %-5s %6u %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " ",
		c->number, (int)c->pid, c->uid, wire, flow_name(c->flow), c->event_q_length,
		c->requests, c->responses, c->events);
	if (rate < 0)
		fprintf(out, "%9s ", "-");
	else
		fprintf(out, "%9.0f ", rate);
	age_print(out, c->age_ns);
	fprintf(out, "  %-14s ", tool_why_name(c->why));
	text_print(out, n ? command : "-", n ? n : 1);
	fputc('\n', out);
}

static void table_print(FILE *out, const struct watch *w, const qbipc_snapshot_t *snapshot,
			const struct qbipc_snapshot_info *info, const struct history *h)
{
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };
	uint32_t i;

	service_print(out, w, snapshot, info);
	for (i = 0; qbipc_snapshot_connection_get(snapshot, i, &c) == 0; i++)
		connection_print(out, &c, rate_of(h, &c, info->time_ns));
}

static int table_show(const struct watch *w, const qbipc_snapshot_t *snapshot,
		      const struct qbipc_snapshot_info *info, const struct history *h)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -errno;
	table_print(out, w, snapshot, info, h);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	screen_show(text, 2 + (info->listed < info->connections) + times_lines(snapshot));
	return 0;
}

/* -- JSON ---------------------------------------------------------------------- */

static void connection_print_json(struct json *j, const struct qbipc_snapshot_connection *c)
{
	char command[COMMAND_SIZE], wire[32];
	size_t n = process_command(c->pid, command, sizeof(command));

	tool_wire_name(c->native, wire, sizeof(wire));
	json_open(j, NULL, '{');
	json_number(j, "number", c->number);
	json_integer(j, "pid", c->pid);
	json_number(j, "uid", c->uid);
	json_number(j, "gid", c->gid);
	json_text(j, "wire", wire);
	tool_why_json(j, c->why, c->why_call, c->why_error);
	json_number(j, "max_msg_size", c->max_msg_size);
	json_number(j, "flow", c->flow);
	json_number(j, "event_q_length", c->event_q_length);
	json_number(j, "requests", c->requests);
	json_number(j, "responses", c->responses);
	json_number(j, "events", c->events);
	json_number(j, "send_retries", c->send_retries);
	json_number(j, "recv_retries", c->recv_retries);
	json_number(j, "flow_control_count", c->flow_control_count);
	json_number(j, "age_ns", c->age_ns);
	if (n)
		json_string(j, "command", command, n);
	else
		json_null(j, "command");
	json_close(j, '}');
}

static void snapshot_print_json(const struct watch *w, const qbipc_snapshot_t *snapshot,
				const struct qbipc_snapshot_info *info)
{
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };
	struct json j = { .out = stdout };
	uint32_t i;

	json_open(&j, NULL, '{');
	json_text(&j, "name", w->name);
	json_integer(&j, "pid", info->pid);
	json_number(&j, "uid", info->uid);
	json_number(&j, "gid", info->gid);
	json_integer(&j, "service_id", info->service_id);
	json_number(&j, "active", info->connections);
	json_number(&j, "closed", info->closed);
	json_number(&j, "flow", info->flow);
	json_number(&j, "time_ns", info->time_ns);
	times_print_json(&j, snapshot);
	json_open(&j, "connections", '[');
	for (i = 0; qbipc_snapshot_connection_get(snapshot, i, &c) == 0; i++)
		connection_print_json(&j, &c);
	json_close(&j, ']');
	json_close(&j, '}');
	putchar('\n');
}

/* -- Command ------------------------------------------------------------------- */

static int watch_fail(const struct watch *w, const struct history *h, int error)
{
	if (h->time_ns &&
	    (error == -ECONNREFUSED || error == -ENOENT || error == -ECONNRESET)) {
		tool_complain("%s: the service has ended", w->name);
		return TOOL_NO_SERVICE;
	}
	if (error == -EOPNOTSUPP) {
		tool_complain("%s: cannot be watched: it does not use this library", w->name);
		return TOOL_FAILED;
	}
	if (error == -EACCES) {
		tool_complain("%s: only root, its own user, and the users and groups that "
			      "it allows may watch it",
			      w->name);
		return TOOL_REFUSED;
	}
	return tool_fail(w->name, error);
}

static struct metrics metrics_of(const struct watch *w)
{
	return (struct metrics){
		.service = w->name,
		.connections = w->connections,
		.is_open = w->openmetrics,
	};
}

/* @snapshot NULL: there was no answer. */
static int textfile_write(const struct watch *w, const qbipc_snapshot_t *snapshot)
{
	struct metrics m = metrics_of(w);
	int r = metrics_write(w->textfile, &m, snapshot);

	if (r == 0)
		return TOOL_OK;
	tool_complain("%s: cannot write it: %s", w->textfile, tool_error_text(r));
	return TOOL_FAILED;
}

static int watch_show(const struct watch *w, const struct history *h,
		      const qbipc_snapshot_t *snapshot, const struct qbipc_snapshot_info *info)
{
	struct metrics m = metrics_of(w);

	if (w->textfile)
		return textfile_write(w, snapshot);
	if (w->openmetrics)
		metrics_print(stdout, &m, snapshot);
	else if (w->json)
		snapshot_print_json(w, snapshot, info);
	else if (w->screen) {
		int r = table_show(w, snapshot, info, h);

		return r < 0 ? tool_fail(w->name, r) : TOOL_OK;
	} else {
		if (h->time_ns)
			putchar('\n');
		table_print(stdout, w, snapshot, info, h);
	}
	return TOOL_OK;
}

static int watch_once(const struct watch *w, struct history *h)
{
	struct qbipc_snapshot_info info = { .size = sizeof(info) };
	qbipc_snapshot_t *snapshot;
	int r = qbipc_snapshot_get(w->name, w->timeout_ms, &snapshot);
	int status;

	if (r < 0) {
		/* The numbers in the file are old from now on. */
		if (w->textfile && textfile_write(w, NULL) != TOOL_OK)
			return TOOL_FAILED;
		return watch_fail(w, h, r);
	}
	qbipc_snapshot_info_get(snapshot, &info);
	status = watch_show(w, h, snapshot, &info);
	history_set(h, snapshot, &info);
	qbipc_snapshot_free(snapshot);
	if (status != TOOL_OK)
		return status;
	/* If the reader is gone, main() reports it. */
	return fflush(stdout) == 0 ? TOOL_OK : TOOL_FAILED;
}

static int watch_repeat(const struct watch *w)
{
	struct history h = { .list = NULL };
	uint64_t next = tool_now_ns();
	int status = watch_once(w, &h);
	uint64_t i;

	for (i = 1; status == TOOL_OK && i != w->count; i++) {
		next += w->interval_ns;
		if (!w->screen)
			tool_sleep_until(next);
		else if (!screen_wait(next))
			break;
		status = watch_once(w, &h);
	}
	free(h.list);
	return status;
}

static void watch_check(const struct tool_command *self, const struct watch *w)
{
	if (w->interval_ns < 10ull * NS_PER_MS)
		tool_misused(self, "an interval is at least 0.01 seconds");
	if (w->json + w->openmetrics + (w->textfile != NULL) > 1)
		tool_misused(self, "--json, --openmetrics and --textfile exclude each other");
	if (w->openmetrics && w->count > 1)
		tool_misused(self, "--openmetrics is about one snapshot");
}

static int watch_run(const struct tool_command *self, int argc, char **argv)
{
	struct watch w = { .interval_ns = 1000ULL * NS_PER_MS,
			   .timeout_ms = 5000,
			   .connections = METRICS_CONNECTIONS };
	int option;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 'i': w.interval_ns = tool_seconds(self, optarg); break;
		case 'c': w.count = tool_number(self, optarg, 1, UINT32_MAX); break;
		case '1': w.count = 1; break;
		case 't':
			w.timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS);
			break;
		case 'j': w.json = true; break;
		case 'o': w.openmetrics = true; break;
		case 'f': w.textfile = optarg; break;
		case 'n':
			w.connections = (uint32_t)tool_number(self, optarg, 0, UINT32_MAX);
			break;
		}
	}
	w.name = tool_only_argument(self, argc, argv);
	watch_check(self, &w);
	if (w.openmetrics)
		w.count = 1;
	w.screen = !w.json && !w.textfile && w.count != 1 && isatty(STDOUT_FILENO);
	if (w.screen)
		screen_open();
	return watch_repeat(&w);
}

static const struct option watch_options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'c' },
	{ "once", no_argument, NULL, '1' },
	{ "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },
	{ "openmetrics", no_argument, NULL, 'o' },
	{ "textfile", required_argument, NULL, 'f' },
	{ "connections", required_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

const struct tool_command tool_watch = {
	.name = "watch",
	.summary = "show the counters of a service's connections",
	.usage =
		"Usage: qbipc watch [OPTION...] NAME\n"
		"Show the counters of the connections of the service NAME, or of the socket "
		"at\n"
		"that path if it has a slash, newest first, until the service ends. Root, the\n"
		"service's own user, and users and groups that the service allows may do so.\n"
		"On a terminal, the newest that fit are shown; q quits.\n\n"
		"  -i, --interval=SECONDS  time between two snapshots, at least 0.01 [1]\n"
		"  -c, --count=N           end after N snapshots\n"
		"  -1, --once              end after one snapshot\n"
		"  -t, --timeout=SECONDS   time limit of an answer [5]\n"
		"  -j, --json              print one object per line, for each snapshot\n"
		"  -o, --openmetrics       print one snapshot as metrics, and end\n"
		"  -f, --textfile=FILE     write metrics to FILE, for each snapshot\n"
		"  -n, --connections=N     metrics of at most N connections [100]\n"
		"  -h, --help              show this and exit\n"
		"  -V, --version           show the version and exit\n",
	.short_options = ":i:c:1t:jof:n:hV",
	.options = watch_options,
	.run = watch_run,
};
