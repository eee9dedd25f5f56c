/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc bench: how long calls take, by transport and size, against servers of its own or an
 * existing service that echoes.
 */
#include "config.h"

#include "tools/qbipc/bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define SIZES_MAX 32
#define IDLE_MAX 100000

static const struct bench_transport {
	const char *name;
	enum qb_ipc_type type;
	bool native;
} transports[] = {
	{ "shm", QB_IPC_SHM, true },
	{ "socket", QB_IPC_SOCKET, true },
	{ "libqb-shm", QB_IPC_SHM, false },
	{ "libqb-socket", QB_IPC_SOCKET, false },
};
#define N_TRANSPORTS (sizeof(transports) / sizeof(transports[0]))

struct bench {
	const char *name; /* of an existing service; NULL: start our own */
	bool wanted[N_TRANSPORTS];
	size_t sizes[SIZES_MAX];
	size_t n_sizes;
	uint64_t cell_ns;
	size_t n_idle; /* connections beside the one that is measured */
	const char *plot;
	char machine[320]; /* described before the measurements */
	bool json;

	struct bench_cell cells[N_TRANSPORTS * SIZES_MAX];
	size_t n_cells;
	struct bench_progress progress;
};

/* -- Measuring ------------------------------------------------------------------ */

static void cell_print(const struct bench *b, const struct bench_cell *cell)
{
	if (b->json)
		return;
	if (b->n_cells == 0)
		printf("%-13s %9s %10s %10s %12s\n", "TRANSPORT", "BYTES", "P50 us", "P99 us",
		       "CALLS/s");
	printf("%-13s %9zu %10.2f %10.2f %12.0f\n", cell->transport, cell->size, cell->p50_us,
	       cell->p99_us, cell->rate);
	fflush(stdout);
}

/* Of @n, as many as are there. */
static void idle_close(qb_ipcc_connection_t **idle, size_t n)
{
	size_t i;

	if (!idle)
		return;
	for (i = 0; i < n && idle[i]; i++)
		qb_ipcc_disconnect(idle[i]);
	free(idle);
}

/* @n connections that do nothing. 0 or -errno. */
static int idle_open(const char *name, size_t n, qb_ipcc_connection_t ***ret)
{
	qb_ipcc_connection_t **idle = NULL;
	size_t i;

	*ret = NULL;
	if (n == 0)
		return 0;
	idle = calloc(n, sizeof(*idle));
	if (!idle)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		idle[i] = qbipc_connect_timeout(name, 0, BENCH_CALL_MS);
		if (!idle[i]) {
			int r = -errno;

			idle_close(idle, n);
			return r;
		}
	}
	*ret = idle;
	return 0;
}

/* All sizes over one connection. 0 or -errno. */
static int sizes_measure(struct bench *b, const char *name, const char *transport)
{
	size_t i, largest = b->sizes[b->n_sizes - 1];
	qb_ipcc_connection_t *c, **idle = NULL;
	int r = idle_open(name, b->n_idle, &idle);

	if (r < 0)
		return r;
	c = qbipc_connect_timeout(name, largest, BENCH_CALL_MS);
	if (!c)
		r = -errno;

	for (i = 0; i < b->n_sizes && r == 0; i++) {
		struct bench_cell *cell = &b->cells[b->n_cells];

		*cell = (struct bench_cell){ .transport = transport, .size = b->sizes[i] };
		r = bench_measure(c, cell, b->cell_ns, &b->progress);
		if (r == 0) {
			cell_print(b, cell);
			b->n_cells++;
		}
	}
	qb_ipcc_disconnect(c);
	idle_close(idle, b->n_idle);
	return r;
}

static int own_servers_measure(struct bench *b)
{
	size_t i;

	for (i = 0; i < N_TRANSPORTS; i++) {
		struct bench_server server = { .pid = -1, .life = -1 };
		int r;

		if (!b->wanted[i])
			continue;
		r = bench_server_start(&server, transports[i].type);
		if (r == 0) {
			qbipc_native_set(transports[i].native);
			r = sizes_measure(b, server.name, transports[i].name);
			bench_server_stop(&server);
		}
		if (r < 0)
			return tool_fail(transports[i].name, r);
	}
	return TOOL_OK;
}

/* The name of a service's transport in the table above. */
static const char *transport_of(const struct qbipc_probe_info *info)
{
	size_t i;

	for (i = 0; i < N_TRANSPORTS; i++)
		if ((int32_t)transports[i].type == info->type &&
		    transports[i].native == (info->native != 0))
			return transports[i].name;
	return "unknown";
}

static int service_measure(struct bench *b)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	int r = qbipc_probe(b->name, 0, BENCH_CALL_MS, &info);

	if (r == 0 && info.error)
		r = info.error < 0 ? info.error : -EACCES;
	if (r == 0)
		r = sizes_measure(b, b->name, transport_of(&info));
	if (r == -EBADMSG) {
		tool_complain("%s: does not echo requests", b->name);
		return TOOL_FAILED;
	}
	return r < 0 ? tool_fail(b->name, r) : TOOL_OK;
}

/* -- Results -------------------------------------------------------------------- */

static void results_print_json(const struct bench *b)
{
	struct json j = { .out = stdout };
	size_t i;

	json_open(&j, NULL, '{');
	json_text(&j, "version", PACKAGE_VERSION);
	json_open(&j, "rows", '[');
	for (i = 0; i < b->n_cells; i++) {
		json_open(&j, NULL, '{');
		json_text(&j, "transport", b->cells[i].transport);
		json_number(&j, "size", b->cells[i].size);
		json_number(&j, "count", b->cells[i].count);
		json_real(&j, "p50_us", b->cells[i].p50_us);
		json_real(&j, "p99_us", b->cells[i].p99_us);
		json_real(&j, "rate", b->cells[i].rate);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	putchar('\n');
}

static int plot_write(const struct bench *b, FILE *out)
{
	bool failed;

	bench_plot(out, b->cells, b->n_cells, b->machine);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return TOOL_OK;
	tool_complain("%s: %s", b->plot, strerror(errno));
	return TOOL_FAILED;
}

/* -- Command -------------------------------------------------------------------- */

static void transports_parse(const struct tool_command *self, struct bench *b, char *list)
{
	char *rest = list, *word;
	size_t i;

	memset(b->wanted, 0, sizeof(b->wanted));
	while ((word = strsep(&rest, ","))) {
		for (i = 0; i < N_TRANSPORTS; i++)
			if (strcmp(transports[i].name, word) == 0)
				break;
		if (i == N_TRANSPORTS)
			tool_misused(self, "%s: there is no such transport", word);
		b->wanted[i] = true;
	}
}

static int size_compare(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

static void sizes_parse(const struct tool_command *self, struct bench *b, char *list)
{
	char *rest = list, *word;

	b->n_sizes = 0;
	while ((word = strsep(&rest, ","))) {
		if (b->n_sizes == SIZES_MAX)
			tool_misused(self, "no more than %d sizes at once", SIZES_MAX);
		b->sizes[b->n_sizes++] =
			tool_number(self, word, BENCH_SIZE_MIN, BENCH_SIZE_MAX);
	}
	qsort(b->sizes, b->n_sizes, sizeof(b->sizes[0]), size_compare);
}

static void options_parse(const struct tool_command *self, struct bench *b, int argc,
			  char **argv)
{
	bool chosen = false;
	int option;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 't':
			transports_parse(self, b, optarg);
			chosen = true;
			break;
		case 's': sizes_parse(self, b, optarg); break;
		case 'd': b->cell_ns = tool_seconds(self, optarg); break;
		case 'i': b->n_idle = tool_number(self, optarg, 0, IDLE_MAX); break;
		case 'p': b->plot = optarg; break;
		case 'j': b->json = true; break;
		}
	}
	if (optind < argc)
		b->name = tool_only_argument(self, argc, argv);
	if (b->name && chosen)
		tool_misused(self, "the service determines the transport: omit --transports");
}

static int bench_run(const struct tool_command *self, int argc, char **argv)
{
	static struct bench b = {
		.wanted = { true, true, true, true },
		.sizes = { 64, 1024, 16384, 131072, 1048576 },
		.n_sizes = 5,
		.cell_ns = 500ULL * NS_PER_MS,
	};
	FILE *plot = NULL;
	int status;

	options_parse(self, &b, argc, argv);
	bench_machine(b.machine, sizeof(b.machine));
	b.progress.on = isatty(STDERR_FILENO);
	/* Before the measurements, so that a failure does not cost their time. */
	if (b.plot) {
		plot = fopen(b.plot, "we");
		if (!plot) {
			tool_complain("%s: %s", b.plot, strerror(errno));
			return TOOL_FAILED;
		}
	}
	status = b.name ? service_measure(&b) : own_servers_measure(&b);
	if (status == TOOL_OK && b.json)
		results_print_json(&b);
	if (plot && status == TOOL_OK)
		return plot_write(&b, plot);
	if (plot)
		fclose(plot);
	return status;
}

static const struct option bench_options[] = {
	{ "transports", required_argument, NULL, 't' },
	{ "sizes", required_argument, NULL, 's' },
	{ "duration", required_argument, NULL, 'd' },
	{ "idle", required_argument, NULL, 'i' },
	{ "plot", required_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

const struct tool_command tool_bench = {
	.name = "bench",
	.summary = "measure how long calls take",
	.usage =
		"Usage: qbipc bench [OPTION...] [NAME]\n"
		"Measure calls with a request and a response of the same size, one after the\n"
		"other over one connection. Without NAME the command starts its own servers;\n"
		"NAME is a service that echoes its requests, such as echo-server of the\n"
		"examples.\n\n"
		"  -t, --transports=LIST   shm, socket, libqb-shm, libqb-socket, separated by\n"
		"                          commas [all]; not with NAME\n"
		"  -s, --sizes=LIST        sizes in bytes [64,1024,16384,131072,1048576]\n"
		"  -d, --duration=SECONDS  duration of each measurement [0.5]\n"
		"  -i, --idle=NUMBER       idle connections beside the one that is measured "
		"[0]\n"
		"  -p, --plot=FILE         draw latency against size, as SVG\n"
		"  -j, --json              print one object at the end instead of a table\n"
		"  -h, --help              show this and exit\n"
		"  -V, --version           show the version and exit\n",
	.short_options = ":t:s:d:i:p:jhV",
	.options = bench_options,
	.run = bench_run,
};
