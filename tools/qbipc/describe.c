/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc describe: which messages a service takes. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/qbipc/describe.h"
#include "tools/qbipc/text.h"

#define NS_PER_MS 1000000

struct describe {
	const char *name;
	int32_t timeout_ms;
	bool names;
	bool json;
};

int describe_ask(const char *name, int32_t timeout_ms, qbipc_description_t **ret)
{
	int r = qbipc_describe(name, timeout_ms, ret);

	switch (r) {
	case 0: return TOOL_OK;
	case -EOPNOTSUPP:
		tool_complain("%s: cannot be asked for its handlers: it does not use this "
			      "library",
			      name);
		return TOOL_FAILED;
	case -EACCES:
		tool_complain("%s: only root, its own user, and the users and groups that "
			      "may watch it may ask for its handlers",
			      name);
		return TOOL_REFUSED;
	default: return tool_fail(name, r);
	}
}

static void table_print(const struct describe *o, const qbipc_description_t *d,
			const struct qbipc_description_info *info)
{
	struct qbipc_description_handler h = { .size = sizeof(h) };
	uint32_t i;

	text_print(stdout, o->name, strlen(o->name));
	printf(": pid %d, uid %u, %u handlers%s%s\n", (int)info->pid, info->uid, info->handlers,
	       info->selector ? "; a function of the service chooses first" : "",
	       info->others ? "; it takes messages of other ids too" : "");
	if (info->listed < info->handlers)
		printf("%u of them:\n", info->listed);
	printf("%11s %10s %-8s %s\n", "ID", "SMALLEST", "RESPONSE", "NAME");
	for (i = 0; qbipc_description_handler_get(d, i, &h) == 0; i++) {
		printf("%11d %10" PRIu64 " %-8s ", h.id, h.min_size,
		       h.flags & QBIPC_HANDLER_ONE_WAY ? "no" : "yes");
		text_print(stdout, h.name ? h.name : "-", h.name ? strlen(h.name) : 1);
		putchar('\n');
	}
}

/* Those that can be an argument of qbipc call. */
static void names_print(const qbipc_description_t *d)
{
	struct qbipc_description_handler h = { .size = sizeof(h) };
	uint32_t i;

	for (i = 0; qbipc_description_handler_get(d, i, &h) == 0; i++)
		if (h.name && text_width(h.name, strlen(h.name)) == strlen(h.name))
			puts(h.name);
}

static void table_print_json(const struct describe *o, const qbipc_description_t *d,
			     const struct qbipc_description_info *info)
{
	struct qbipc_description_handler h = { .size = sizeof(h) };
	struct json j = { .out = stdout };
	uint32_t i;

	json_open(&j, NULL, '{');
	json_text(&j, "name", o->name);
	json_integer(&j, "pid", info->pid);
	json_number(&j, "uid", info->uid);
	json_number(&j, "gid", info->gid);
	json_integer(&j, "service_id", info->service_id);
	json_number(&j, "registered", info->handlers);
	json_bool(&j, "others", info->others);
	json_bool(&j, "selector", info->selector);
	json_open(&j, "handlers", '[');
	for (i = 0; qbipc_description_handler_get(d, i, &h) == 0; i++) {
		json_open(&j, NULL, '{');
		json_integer(&j, "id", h.id);
		if (h.name)
			json_text(&j, "name", h.name);
		else
			json_null(&j, "name");
		json_number(&j, "min_size", h.min_size);
		json_bool(&j, "one_way", h.flags & QBIPC_HANDLER_ONE_WAY);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	putchar('\n');
}

static int describe_run(const struct tool_command *self, int argc, char **argv)
{
	struct qbipc_description_info info = { .size = sizeof(info) };
	struct describe o = { .timeout_ms = 5000 };
	qbipc_description_t *d;
	int option, status;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 't':
			o.timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS);
			break;
		case 'n': o.names = true; break;
		case 'j': o.json = true; break;
		}
	}
	o.name = tool_only_argument(self, argc, argv);
	status = describe_ask(o.name, o.timeout_ms, &d);
	if (status != TOOL_OK)
		return status;
	qbipc_description_info_get(d, &info);
	if (info.listed == 0) {
		tool_complain("%s: the service has no table of handlers", o.name);
		status = TOOL_FAILED;
	} else if (o.names) {
		names_print(d);
	} else if (o.json) {
		table_print_json(&o, d, &info);
	} else {
		table_print(&o, d, &info);
	}
	qbipc_description_free(d);
	return status;
}

static const struct option describe_options[] = {
	{ "timeout", required_argument, NULL, 't' }, { "names", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },	     { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	     { NULL, 0, NULL, 0 },
};

const struct tool_command tool_describe = {
	.name = "describe",
	.summary = "show which messages a service takes",
	.usage = "Usage: qbipc describe [OPTION...] NAME\n"
		 "Show the table of handlers of the service NAME, or of the socket at that "
		 "path\n"
		 "if it has a slash: the id of each message, its smallest size, whether it has "
		 "a\n"
		 "response, and the name of its handler. Those who may watch the service may "
		 "do\n"
		 "so.\n\n"
		 "  -t, --timeout=SECONDS  time limit of the answer [5]\n"
		 "  -n, --names            print only names, one per line\n"
		 "  -j, --json             print one object\n"
		 "  -h, --help             show this and exit\n"
		 "  -V, --version          show the version and exit\n",
	.short_options = ":t:njhV",
	.options = describe_options,
	.run = describe_run,
};
