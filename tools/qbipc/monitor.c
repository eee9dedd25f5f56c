/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc monitor: shows who sends what to whom through a service. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <unistd.h>

#include <qbipc/monitor.h>

#include "tools/qbipc/capture.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000ull

/* The latest request of so many connections is remembered, to compute latencies. */
#define REMEMBERED 4096

/* Records that may still be read after a signal: more than a socket holds. */
#define RECORDS_LEFT 16384

/* Of a message that a service shows. */

struct monitor {
	const char *name;
	struct qbipc_monitor_options options;
	uint64_t count; /* of records; 0: until the service ends */
	int32_t timeout_ms;
	bool json;
	const char *path; /* of a file for the records; NULL: print them */
	FILE *file;
	uint64_t realtime_less_time; /* of the service, ns */
	struct json j;
};

/* The time of the latest request, by number modulo REMEMBERED. */
static struct {
	uint64_t number;
	uint64_t time_ns;
} latest[REMEMBERED];

static const char *const kinds[] = {
	[QBIPC_MONITOR_LOST] = "lost",		 [QBIPC_MONITOR_REQUEST] = "request",
	[QBIPC_MONITOR_RESPONSE] = "response",	 [QBIPC_MONITOR_EVENT] = "event",
	[QBIPC_MONITOR_CONNECTED] = "connected", [QBIPC_MONITOR_ENDED] = "ended",
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *kind_name(uint32_t kind)
{
	return kind < N_KINDS ? kinds[kind] : "?";
}

/* How long after the latest request of its client a response was sent; negative: unknown. */
static int64_t latency_of(const struct qbipc_monitor_record *r)
{
	size_t at = r->number % REMEMBERED;

	if (r->lost)
		memset(latest, 0, sizeof(latest));
	if (r->kind == QBIPC_MONITOR_REQUEST) {
		latest[at].number = r->number;
		latest[at].time_ns = r->time_ns;
	}
	if (r->kind != QBIPC_MONITOR_RESPONSE || latest[at].number != r->number)
		return -1;
	return (int64_t)(r->time_ns - latest[at].time_ns);
}

static bool kind_is_message(uint32_t kind)
{
	return kind == QBIPC_MONITOR_REQUEST || kind == QBIPC_MONITOR_RESPONSE ||
	       kind == QBIPC_MONITOR_EVENT;
}

/* -- Text -------------------------------------------------------------------------- */

static void time_print(uint64_t ns)
{
	time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;
	char text[16];

	if (!localtime_r(&s, &tm) || strftime(text, sizeof(text), "%H:%M:%S", &tm) == 0)
		strcpy(text, "?");
	printf("%s.%06u", text, (unsigned int)(ns % NS_PER_S / 1000));
}

static void heading_print(void)
{
	printf("%-15s %8s %8s %-9s %11s %10s %6s %10s\n", "TIME", "NUMBER", "PID", "WHAT", "ID",
	       "SIZE", "ERROR", "LATENCY");
}

static void record_print(const struct monitor *m, const struct qbipc_monitor_record *r,
			 int64_t latency)
{
	if (r->lost)
		printf("%" PRIu64 " records were lost here\n", r->lost);
	if (r->kind == QBIPC_MONITOR_LOST)
		return;
	time_print(r->time_ns + m->realtime_less_time);
	printf(" %8" PRIu64 " %8d ", r->number, (int)r->pid);
	if (kind_is_message(r->kind))
		printf("%-9s %11d %10" PRIu64, kind_name(r->kind), r->id, r->message_size);
	else
		fputs(kind_name(r->kind), stdout);
	if (r->kind == QBIPC_MONITOR_RESPONSE || r->kind == QBIPC_MONITOR_EVENT)
		printf(" %6d", r->error);
	if (latency >= 0)
		printf(" %8.3fms", (double)latency / NS_PER_MS);
	putchar('\n');
	if (r->bytes)
		text_dump(stdout, r->data, r->bytes);
}

/* -- JSON -------------------------------------------------------------------------- */

static void bytes_print_json(struct json *j, const struct qbipc_monitor_record *r)
{
	const unsigned char *b = r->data;
	uint32_t i;

	/* All of it needs no escaping. */
	fprintf(j->out, ", \"hex\": \"");
	for (i = 0; i < r->bytes; i++)
		fprintf(j->out, "%02x", b[i]);
	fputc('"', j->out);
}

static void record_print_json(struct monitor *m, const struct qbipc_monitor_record *r,
			      int64_t latency)
{
	struct json *j = &m->j;

	json_open(j, NULL, '{');
	json_text(j, "kind", kind_name(r->kind));
	json_number(j, "time_ns", r->time_ns + m->realtime_less_time);
	json_number(j, "lost", r->lost);
	if (r->kind != QBIPC_MONITOR_LOST) {
		json_number(j, "number", r->number);
		json_integer(j, "pid", r->pid);
		json_number(j, "uid", r->uid);
		json_number(j, "gid", r->gid);
		json_number(j, "native", r->native);
		json_number(j, "max_msg_size", r->max_msg_size);
	}
	if (kind_is_message(r->kind)) {
		json_integer(j, "id", r->id);
		json_number(j, "size", r->message_size);
		json_integer(j, "error", r->error);
	}
	if (latency >= 0)
		json_integer(j, "latency_ns", latency);
	if (r->bytes)
		bytes_print_json(j, r);
	json_close(j, '}');
	j->more = false;
	putchar('\n');
}

/* -- Recording --------------------------------------------------------------------- */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	stopped = number;
}

/* A signal ends the recording between two records. It arrives only while we wait. */
static void signals_prepare(sigset_t *before)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t both;

	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	sigprocmask(SIG_BLOCK, &both, before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* What passes is nobody else's business. */
static bool file_open(struct monitor *m)
{
	int fd = open(m->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	m->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (m->file && capture_begin(m->file, m->name))
		return true;
	tool_complain("%s: cannot write it: %s", m->path, strerror(errno));
	return false;
}

static int file_fail(const struct monitor *m)
{
	tool_complain("%s: cannot write it: %s", m->path, strerror(errno));
	return TOOL_FAILED;
}

/* -- Running ----------------------------------------------------------------------- */

static int open_fail(const struct monitor *m, int error)
{
	switch (error) {
	case -EPERM:
		tool_complain("%s: the service does not allow monitors; QBIPC_MONITOR=headers "
			      "or payload in its environment would",
			      m->name);
		return TOOL_REFUSED;
	case -EUSERS:
		tool_complain("%s: the service has too many monitors already", m->name);
		return TOOL_REFUSED;
	case -EOPNOTSUPP:
		tool_complain("%s: the service cannot be monitored: it is libqb's", m->name);
		return TOOL_FAILED;
	default: return tool_fail(m->name, error);
	}
}

/* TOOL_OK, or what it failed with. */
static int record_take(struct monitor *m, const struct qbipc_monitor_record *r)
{
	int64_t latency;

	if (m->file)
		return capture_write(m->file, r, r->time_ns + m->realtime_less_time) ?
			       TOOL_OK :
			       file_fail(m);
	latency = latency_of(r);
	if (m->json)
		record_print_json(m, r, latency);
	else
		record_print(m, r, latency);
	return TOOL_OK;
}

/* Nothing more for now: pass on what there is, and wait. */
static int records_await(const struct monitor *m, const qbipc_monitor_t *monitor,
			 const sigset_t *mask)
{
	struct pollfd p = { .fd = qbipc_monitor_fd(monitor), .events = POLLIN };

	if (m->file && fflush(m->file) != 0)
		return file_fail(m);
	/* If the reader is gone, main() reports it. */
	if (fflush(stdout) != 0)
		return TOOL_FAILED;
	if (ppoll(&p, 1, NULL, mask) < 0 && errno != EINTR)
		return tool_fail(m->name, errno);
	return TOOL_OK;
}

static int records_end(const struct monitor *m, int error)
{
	if (error != -ENOTCONN)
		return tool_fail(m->name, error);
	if (m->count == 0)
		return TOOL_OK;
	tool_complain("%s: the service has ended", m->name);
	return TOOL_NO_SERVICE;
}

static int records_take(struct monitor *m, qbipc_monitor_t *monitor, const sigset_t *mask)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };
	unsigned int more = RECORDS_LEFT;
	int status = TOOL_OK;
	uint64_t n = 0;

	while (status == TOOL_OK && (!m->count || n < m->count)) {
		int error = qbipc_monitor_next(monitor, 0, &r);

		/* What had passed before the signal is recorded, but this comes to an end. */
		if (stopped && (error == -ETIMEDOUT || more-- == 0))
			return TOOL_OK;
		if (error == -ETIMEDOUT) {
			status = records_await(m, monitor, mask);
			continue;
		}
		if (error < 0)
			return records_end(m, error);
		status = record_take(m, &r);
		n += r.kind != QBIPC_MONITOR_LOST;
	}
	return status;
}

static int monitor_show(struct monitor *m)
{
	struct qbipc_monitor_info info = { .size = sizeof(info) };
	qbipc_monitor_t *monitor;
	sigset_t mask;
	int r = qbipc_monitor_open(m->name, &m->options, m->timeout_ms, &monitor);

	if (r < 0)
		return open_fail(m, r);
	qbipc_monitor_info_get(monitor, &info);
	m->realtime_less_time = info.realtime_ns - info.time_ns;
	if (m->options.bytes && info.mode < QBIPC_MONITOR_PAYLOAD)
		tool_complain("%s: the service shows headers only", m->name);
	if (m->path && !file_open(m)) {
		qbipc_monitor_close(monitor);
		return TOOL_FAILED;
	}
	sigprocmask(SIG_BLOCK, NULL, &mask);
	if (m->file)
		signals_prepare(&mask);
	else if (!m->json)
		heading_print();
	r = records_take(m, monitor, &mask);
	qbipc_monitor_close(monitor);
	if (m->file && fclose(m->file) != 0 && r == TOOL_OK)
		r = file_fail(m);
	return r;
}

static uint32_t kind_of(const struct tool_command *self, const char *name)
{
	uint32_t i;

	if (strcmp(name, "connection") == 0)
		return 1u << QBIPC_MONITOR_CONNECTED | 1u << QBIPC_MONITOR_ENDED;
	for (i = QBIPC_MONITOR_REQUEST; i <= QBIPC_MONITOR_EVENT; i++)
		if (strcmp(name, kinds[i]) == 0)
			return 1u << i;
	tool_misused(self, "%s: not request, response, event or connection", name);
}

/* Of a list with commas. */
static uint32_t kinds_of(const struct tool_command *self, char *list)
{
	char *rest = list, *name;
	uint32_t all = 0;

	while ((name = strsep(&rest, ",")))
		all |= kind_of(self, name);
	return all;
}

static int32_t id_of(const struct tool_command *self, const char *text)
{
	if (*text == '-')
		return (int32_t) - (int64_t)tool_number(self, text + 1, 0, INT32_MAX + 1ull);
	return (int32_t)tool_number(self, text, 0, INT32_MAX);
}

static int monitor_run(const struct tool_command *self, int argc, char **argv)
{
	struct monitor m = { .options.size = sizeof(m.options),
			     .timeout_ms = 5000,
			     .j = { .out = stdout } };
	bool bytes = false;
	int option;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 'k': m.options.kinds = kinds_of(self, optarg); break;
		case 'n': m.options.number = tool_number(self, optarg, 1, UINT64_MAX); break;
		case 'p': m.options.pid = (pid_t)tool_number(self, optarg, 1, INT32_MAX); break;
		case 'i':
			m.options.by_id = 1;
			m.options.id = id_of(self, optarg);
			break;
		case 'b':
			m.options.bytes =
				(uint32_t)tool_number(self, optarg, 0, CAPTURE_MESSAGE_MAX);
			bytes = true;
			break;
		case 'c': m.count = tool_number(self, optarg, 1, UINT64_MAX); break;
		case 't':
			m.timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS);
			break;
		case 'j': m.json = true; break;
		case 'r': m.path = optarg; break;
		}
	}
	m.name = tool_only_argument(self, argc, argv);
	if (m.path && m.json)
		tool_misused(self, "--json and --record exclude each other");
	/* As much as a replay needs. */
	if (m.path && !bytes)
		m.options.bytes = CAPTURE_MESSAGE_MAX;
	return monitor_show(&m);
}

static const struct option monitor_options[] = {
	{ "kinds", required_argument, NULL, 'k' },   { "number", required_argument, NULL, 'n' },
	{ "pid", required_argument, NULL, 'p' },     { "id", required_argument, NULL, 'i' },
	{ "bytes", required_argument, NULL, 'b' },   { "count", required_argument, NULL, 'c' },
	{ "timeout", required_argument, NULL, 't' }, { "json", no_argument, NULL, 'j' },
	{ "record", required_argument, NULL, 'r' },  { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	     { NULL, 0, NULL, 0 },
};

const struct tool_command tool_monitor = {
	.name = "monitor",
	.summary = "show each message of a service",
	.usage = "Usage: qbipc monitor [OPTION...] NAME\n"
		 "Show each message that passes through the service NAME, or the one of the "
		 "socket\n"
		 "at that path if it has a slash, until the service ends. Those who may watch "
		 "the\n"
		 "service may do so, if it allows monitors.\n\n"
		 "  -k, --kinds=LIST       of request, response, event, connection [all]\n"
		 "  -n, --number=N         only of the connection with this number\n"
		 "  -p, --pid=PID          only of clients of this process\n"
		 "  -i, --id=ID            only messages of this id\n"
		 "  -b, --bytes=N          show the first N bytes of each message\n"
		 "  -c, --count=N          end after N records\n"
		 "  -t, --timeout=SECONDS  time limit of the answer [5]\n"
		 "  -j, --json             print an object per line, for each record\n"
		 "  -r, --record=FILE      write the records to FILE, for replay or Wireshark\n"
		 "  -h, --help             show this and exit\n"
		 "  -V, --version          show the version and exit\n",
	.short_options = ":k:n:p:i:b:c:t:jr:hV",
	.options = monitor_options,
	.run = monitor_run,
};
