/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc ping: which process serves a name, how, and how fast. The application of the service
 * does not notice it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/qbipc/process.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define COMMAND_SIZE 1024

struct ping {
	const char *name;
	uint64_t count;
	uint64_t interval_ns;
	int32_t timeout_ms;
	uint32_t max_msg_size;
	bool json;
};

/* The times of all answers. */
struct ping_times {
	uint64_t n;
	uint64_t min, max, sum; /* ns */
};

static void times_add(struct ping_times *t, uint64_t ns)
{
	if (t->n == 0 || ns < t->min)
		t->min = ns;
	if (ns > t->max)
		t->max = ns;
	t->sum += ns;
	t->n++;
}

static double ms(uint64_t ns)
{
	return (double)ns / NS_PER_MS;
}

static void answerer_print(const struct qbipc_probe_info *info)
{
	char command[COMMAND_SIZE];
	size_t n = process_command(info->pid, command, sizeof(command));

	printf("pid %d, uid %u, gid %u", (int)info->pid, info->uid, info->gid);
	if (n) {
		fputs(": ", stdout);
		text_print(stdout, command, n);
	}
	putchar('\n');
}

static void why_print(const struct qbipc_probe_info *info)
{
	printf("not the native wire: %s", info->why_text);
	if (info->why_error)
		printf(" (%s%s%s)", info->why_call ? info->why_call : "",
		       info->why_call ? ": " : "", strerror(info->why_error));
	putchar('\n');
}

static void first_print(const struct ping *p, const struct qbipc_probe_info *info)
{
	char wire[32];

	text_print(stdout, p->name, strlen(p->name));
	fputs(": ", stdout);
	answerer_print(info);
	if (info->error)
		return;
	tool_wire_name(info->native, wire, sizeof(wire));
	printf("transport %s, wire %s, messages up to %u bytes\n",
	       tool_transport_name(info->type), wire, info->max_msg_size);
	if (info->why != QBIPC_WHY_NATIVE)
		why_print(info);
	if (info->connected)
		puts("it does not know probes: it accepted a connection and ran its callbacks");
}

static void answer_print_json(const struct ping *p, const struct qbipc_probe_info *info)
{
	struct json j = { .out = stdout };
	char command[COMMAND_SIZE], wire[32];
	size_t n = process_command(info->pid, command, sizeof(command));

	json_open(&j, NULL, '{');
	json_text(&j, "name", p->name);
	json_integer(&j, "pid", info->pid);
	json_number(&j, "uid", info->uid);
	json_number(&j, "gid", info->gid);
	if (n)
		json_string(&j, "command", command, n);
	else
		json_null(&j, "command");
	if (info->error) {
		json_integer(&j, "refused", info->error);
	} else {
		tool_wire_name(info->native, wire, sizeof(wire));
		json_text(&j, "transport", tool_transport_name(info->type));
		json_text(&j, "wire", wire);
		tool_why_json(&j, info->why, info->why_call, info->why_error);
		json_number(&j, "max_msg_size", info->max_msg_size);
		json_bool(&j, "connected", info->connected != 0);
	}
	json_number(&j, "answer_ns", info->answer_ns);
	json_close(&j, '}');
	putchar('\n');
}

/* @error has any sign: it is what connection_accept returned. */
static int refusal_report(const struct ping *p, int32_t error)
{
	tool_complain("%s: refuses clients: %s", p->name, tool_error_text(error));
	return TOOL_REFUSED;
}

static int ping_once(const struct ping *p, struct ping_times *times)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	int r = qbipc_probe(p->name, p->max_msg_size, p->timeout_ms, &info);

	if (r < 0)
		return tool_fail(p->name, r);
	if (p->json)
		answer_print_json(p, &info);
	else if (times->n == 0)
		first_print(p, &info);
	times_add(times, info.answer_ns);
	if (!p->json)
		printf("answer %llu: %.3f ms\n", (unsigned long long)times->n,
		       ms(info.answer_ns));
	fflush(stdout);
	return info.error ? refusal_report(p, info.error) : TOOL_OK;
}

static int ping_repeat(const struct ping *p)
{
	struct ping_times times = { .n = 0 };
	uint64_t next = tool_now_ns();
	int status = TOOL_OK;
	uint64_t i;

	for (i = 0; i < p->count && status == TOOL_OK; i++) {
		if (i > 0)
			tool_sleep_until(next);
		next += p->interval_ns;
		status = ping_once(p, &times);
	}
	if (!p->json && p->count > 1 && times.n > 0)
		printf("%llu answers: least %.3f, mean %.3f, most %.3f ms\n",
		       (unsigned long long)times.n, ms(times.min), ms(times.sum / times.n),
		       ms(times.max));
	return status;
}

static int ping_run(const struct tool_command *self, int argc, char **argv)
{
	struct ping p = { .count = 1, .interval_ns = 1000ULL * NS_PER_MS, .timeout_ms = 5000 };
	int option;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 'c': p.count = tool_number(self, optarg, 1, UINT32_MAX); break;
		case 'i': p.interval_ns = tool_seconds(self, optarg); break;
		case 't':
			p.timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS);
			break;
		case 's':
			p.max_msg_size = (uint32_t)tool_number(self, optarg, 0, 1u << 30);
			break;
		case 'j': p.json = true; break;
		}
	}
	p.name = tool_only_argument(self, argc, argv);
	return ping_repeat(&p);
}

static const struct option ping_options[] = {
	{ "count", required_argument, NULL, 'c' },
	{ "interval", required_argument, NULL, 'i' },
	{ "timeout", required_argument, NULL, 't' },
	{ "size", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

const struct tool_command tool_ping = {
	.name = "ping",
	.summary = "ask which process serves a name, how, and how fast",
	.usage =
		"Usage: qbipc ping [OPTION...] NAME\n"
		"Ask the service NAME, or the socket at that path if it has a slash, for its\n"
		"process, transport, wire and message size. A service of this library answers\n"
		"without its application; a service of libqb takes each probe for a client.\n\n"
		"  -c, --count=N           number of probes [1]\n"
		"  -i, --interval=SECONDS  time between two probes [1]\n"
		"  -t, --timeout=SECONDS   time limit of an answer [5]\n"
		"  -s, --size=BYTES        ask as a client with messages of that size\n"
		"  -j, --json              print one object per line, for each answer\n"
		"  -h, --help              show this and exit\n"
		"  -V, --version           show the version and exit\n",
	.short_options = ":c:i:t:s:jhV",
	.options = ping_options,
	.run = ping_run,
};
