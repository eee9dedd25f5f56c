/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc ls: the services of this machine. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/qbipc/process.h"
#include "tools/qbipc/sockets.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define COMMAND_SIZE 1024
#define PROBE_MS 500

enum ls_format { LS_TABLE, LS_NAMES, LS_JSON };

struct ls {
	enum ls_format format;
	bool all;	    /* all listening sockets */
	bool probe;	    /* probe each of them */
	int32_t timeout_ms; /* for one probe */
	size_t columns;	    /* of names in the table */
	struct json json;
};

/* A socket and, if it was probed, the answer. */
struct ls_row {
	const struct socket *socket;
	struct qbipc_probe_info info;
	int result; /* of the probe: 0, or -errno */
	bool probed;
};

static bool socket_is_wanted(const struct ls *ls, const struct socket *s)
{
	return ls->all || s->is_service;
}

/* A name that contains a NUL is not that of a service and cannot be probed. */
static void row_probe(const struct ls *ls, struct ls_row *row)
{
	const struct socket *s = row->socket;

	row->info.size = sizeof(row->info);
	row->probed = ls->probe && strlen(s->name) == s->name_size;
	if (row->probed)
		row->result = qbipc_probe(s->name, 0, ls->timeout_ms, &row->info);
}

static pid_t row_pid(const struct ls_row *row)
{
	return row->probed && row->result == 0 ? row->info.pid : row->socket->pid;
}

/* -- Table --------------------------------------------------------------------- */

static void table_head(const struct ls *ls)
{
	printf("%-9s %-*s ", "KIND", (int)ls->columns, "NAME");
	if (ls->probe)
		printf("%-9s %-8s %9s ", "TRANSPORT", "WIRE", "MESSAGE");
	printf("%8s %8s  %s\n", "UID", "PID", "COMMAND");
}

static void table_number(int64_t n, bool known)
{
	if (known)
		printf("%8lld ", (long long)n);
	else
		printf("%8s ", "-");
}

static void table_probe(const struct ls_row *row)
{
	char wire[32];

	if (!row->probed) {
		printf("%-9s %-8s %9s ", "-", "-", "-");
		return;
	}
	if (row->result < 0 || row->info.error) {
		/* As wide as the three columns. */
		printf("%-28.28s ",
		       tool_error_text(row->result ? row->result : row->info.error));
		return;
	}
	tool_wire_name(row->info.native, wire, sizeof(wire));
	printf("%-9s %-8s %9u ", tool_transport_name(row->info.type), wire,
	       row->info.max_msg_size);
}

static void row_print_table(const struct ls *ls, const struct ls_row *row)
{
	const struct socket *s = row->socket;
	char command[COMMAND_SIZE];
	pid_t pid = row_pid(row);
	size_t n = process_command(pid, command, sizeof(command));

	printf("%-9s ", s->kind == SOCKET_FILE ? "file" : "abstract");
	text_print_padded(stdout, s->name, s->name_size, ls->columns);
	putchar(' ');
	if (ls->probe)
		table_probe(row);
	table_number(s->uid, s->uid != (uid_t)-1);
	table_number(pid, pid > 0);
	putchar(' ');
	text_print(stdout, n ? command : "-", n ? n : 1);
	putchar('\n');
}

/* -- JSON ---------------------------------------------------------------------- */

static void json_probe(struct json *j, const struct ls_row *row)
{
	char wire[32];

	json_open(j, "probe", '{');
	json_bool(j, "answered", row->result == 0);
	if (row->result < 0) {
		json_text(j, "reason", strerror(-row->result));
	} else if (row->info.error) {
		json_integer(j, "refused", row->info.error);
	} else {
		tool_wire_name(row->info.native, wire, sizeof(wire));
		json_text(j, "transport", tool_transport_name(row->info.type));
		json_text(j, "wire", wire);
		tool_why_json(j, row->info.why, row->info.why_call, row->info.why_error);
		json_number(j, "max_msg_size", row->info.max_msg_size);
		json_bool(j, "connected", row->info.connected != 0);
		json_number(j, "answer_ns", row->info.answer_ns);
	}
	json_close(j, '}');
}

static void row_print_json(struct json *j, const struct ls_row *row)
{
	const struct socket *s = row->socket;
	char command[COMMAND_SIZE];
	pid_t pid = row_pid(row);
	size_t n = process_command(pid, command, sizeof(command));

	json_open(j, NULL, '{');
	json_text(j, "kind", s->kind == SOCKET_FILE ? "file" : "abstract");
	json_string(j, "name", s->name, s->name_size);
	if (s->uid != (uid_t)-1)
		json_number(j, "uid", s->uid);
	else
		json_null(j, "uid");
	if (pid > 0)
		json_integer(j, "pid", pid);
	else
		json_null(j, "pid");
	if (n)
		json_string(j, "command", command, n);
	else
		json_null(j, "command");
	if (row->probed)
		json_probe(j, row);
	json_close(j, '}');
}

/* -- Command ------------------------------------------------------------------- */

static void row_print(struct ls *ls, const struct ls_row *row)
{
	const struct socket *s = row->socket;

	switch (ls->format) {
	case LS_TABLE: row_print_table(ls, row); break;
	case LS_JSON: row_print_json(&ls->json, row); break;
	case LS_NAMES:
		/* For programs, one name per line. Names with unprintable bytes are left out. */
		if (text_width(s->name, s->name_size) == s->name_size)
			printf("%s\n", s->name);
		break;
	}
}

static void sockets_print(struct ls *ls, const struct sockets *all)
{
	size_t i;

	ls->columns = strlen("NAME");
	for (i = 0; i < all->count; i++) {
		const struct socket *s = &all->list[i];
		size_t width = text_width(s->name, s->name_size);

		if (socket_is_wanted(ls, s) && width > ls->columns)
			ls->columns = width;
	}
	if (ls->format == LS_TABLE)
		table_head(ls);
	for (i = 0; i < all->count; i++) {
		struct ls_row row = { .socket = &all->list[i] };

		if (!socket_is_wanted(ls, row.socket))
			continue;
		row_probe(ls, &row);
		row_print(ls, &row);
	}
}

static int ls_run(const struct tool_command *self, int argc, char **argv)
{
	struct ls ls = { .timeout_ms = PROBE_MS, .json = { .out = stdout } };
	struct sockets all;
	int option, r;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 'a': ls.all = true; break;
		case 'p': ls.probe = true; break;
		case 'n': ls.format = LS_NAMES; break;
		case 'j': ls.format = LS_JSON; break;
		case 't':
			ls.timeout_ms = (int32_t)(tool_seconds(self, optarg) / 1000000);
			break;
		}
	}
	if (optind < argc)
		tool_misused(self, "%s: one argument too many", argv[optind]);
	r = sockets_list(&all);
	if (r < 0) {
		tool_complain("cannot list sockets (sock_diag): %s", strerror(-r));
		return TOOL_FAILED;
	}
	if (ls.format != LS_NAMES)
		sockets_find_processes(&all);
	if (ls.format == LS_JSON)
		json_open(&ls.json, NULL, '[');
	sockets_print(&ls, &all);
	if (ls.format == LS_JSON) {
		json_close(&ls.json, ']');
		putchar('\n');
	}
	sockets_free(&all);
	return TOOL_OK;
}

static const struct option ls_options[] = {
	{ "all", no_argument, NULL, 'a' },	     { "probe", no_argument, NULL, 'p' },
	{ "timeout", required_argument, NULL, 't' }, { "names", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },	     { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	     { NULL, 0, NULL, 0 },
};

const struct tool_command tool_ls = {
	.name = "ls",
	.summary = "list the services of this machine",
	.usage = "Usage: qbipc ls [OPTION...]\n"
		 "List listening sockets that have the address of a service, the user that\n"
		 "created each of them, and the process that has it open, as far as this user\n"
		 "may see it. Without --probe the command makes no connection.\n\n"
		 "  -a, --all              list all listening stream sockets with a name\n"
		 "  -p, --probe            probe each of them, as qbipc ping does\n"
		 "  -t, --timeout=SECONDS  time limit of a probe [0.5]\n"
		 "  -n, --names            print only names, one per line\n"
		 "  -j, --json             print an array of objects\n"
		 "  -h, --help             show this and exit\n"
		 "  -V, --version          show the version and exit\n",
	.short_options = ":apt:njhV",
	.options = ls_options,
	.run = ls_run,
};
