/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/qbipc/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/qbipc/tool.h"

#define NS_PER_S 1e9
#define PREFIX "qbipc_"

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_INFO, KIND_HISTOGRAM };

/* A family of metrics: what all its lines have in common. */
struct family {
	const char *name; /* without PREFIX, and without "_total" or "_info" */
	enum kind kind;
	const char *unit; /* the name ends in it; NULL: a number of things */
	const char *help;
	size_t at; /* offset of the value in the struct that the table is for */
};

/* The value of a label. A backslash of an escaped byte is itself escaped. */
static void label_print(FILE *out, const char *name, const char *value)
{
	const char *p;

	fprintf(out, "%s=\"", name);
	for (p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\\' || c == '"')
			fprintf(out, "\\%c", c);
		else if (c >= ' ' && c <= '~')
			fputc(c, out);
		else
			fprintf(out, "\\\\x%02x", c);
	}
	fputc('"', out);
}

static const char *suffix_of(enum kind kind)
{
	return kind == KIND_COUNTER ? "_total" : kind == KIND_INFO ? "_info" : "";
}

static const char *type_of(const struct metrics *m, enum kind kind)
{
	switch (kind) {
	case KIND_COUNTER: return "counter";
	case KIND_INFO: return m->is_open ? "info" : "gauge";
	case KIND_HISTOGRAM: return "histogram";
	default: return "gauge";
	}
}

/* What is said of a family before its first value. */
static void family_print(FILE *out, const struct metrics *m, const struct family *f)
{
	const char *suffix = m->is_open ? "" : suffix_of(f->kind);

	fprintf(out, "# TYPE " PREFIX "%s%s %s\n", f->name, suffix, type_of(m, f->kind));
	if (f->unit && m->is_open)
		fprintf(out, "# UNIT " PREFIX "%s%s %s\n", f->name, suffix, f->unit);
	fprintf(out, "# HELP " PREFIX "%s%s %s\n", f->name, suffix, f->help);
}

/* A line up to its labels; more of them and metric_end() follow. */
static void metric_begin(FILE *out, const struct metrics *m, const struct family *f)
{
	fprintf(out, PREFIX "%s%s{", f->name, suffix_of(f->kind));
	label_print(out, "service", m->service);
}

static void metric_end(FILE *out, uint64_t value)
{
	fprintf(out, "} %" PRIu64 "\n", value);
}

static void metric_print(FILE *out, const struct metrics *m, const struct family *f,
			 uint64_t value)
{
	family_print(out, m, f);
	metric_begin(out, m, f);
	metric_end(out, value);
}

/* -- Service ------------------------------------------------------------------- */

#define AT(field) offsetof(struct qbipc_snapshot_info, field)

static const struct family service_gauges[] = {
	{ "connections", KIND_GAUGE, NULL, "Connections that are up.", AT(connections) },
	{ "flow_control", KIND_GAUGE, NULL,
	  "Flow-control value for new clients, 0 if requests are taken.", AT(flow) },
};

static const struct family service_counters[] = {
	{ "connections_ended", KIND_COUNTER, NULL, "Connections that have ended.", AT(closed) },
	{ "requests", KIND_COUNTER, NULL, "Requests taken.", AT(requests) },
	{ "responses", KIND_COUNTER, NULL, "Responses sent.", AT(responses) },
	{ "events", KIND_COUNTER, NULL, "Events sent.", AT(events) },
	{ "send_retries", KIND_COUNTER, NULL, "Sends that found no room.", AT(send_retries) },
	{ "receive_retries", KIND_COUNTER, NULL, "Wake-ups without a request.",
	  AT(recv_retries) },
	{ "flow_control_changes", KIND_COUNTER, NULL,
	  "Changes of the flow, counted per connection.", AT(flow_control_count) },
};

static void service_info_print(FILE *out, const struct metrics *m,
			       const struct qbipc_snapshot_info *info)
{
	static const struct family f = { "service", KIND_INFO, NULL,
					 "The process of the service." };

	family_print(out, m, &f);
	metric_begin(out, m, &f);
	fprintf(out, ",pid=\"%d\",uid=\"%u\",gid=\"%u\",id=\"%d\"", (int)info->pid, info->uid,
		info->gid, info->service_id);
	metric_end(out, 1);
}

static void service_print(FILE *out, const struct metrics *m,
			  const struct qbipc_snapshot_info *info)
{
	const char *from = (const char *)info;
	size_t i;

	service_info_print(out, m, info);
	for (i = 0; i < sizeof(service_gauges) / sizeof(service_gauges[0]); i++) {
		const struct family *f = &service_gauges[i];
		uint32_t value;

		memcpy(&value, from + f->at, sizeof(value));
		metric_print(out, m, f, value);
	}
	for (i = 0; i < sizeof(service_counters) / sizeof(service_counters[0]); i++) {
		const struct family *f = &service_counters[i];
		uint64_t value;

		memcpy(&value, from + f->at, sizeof(value));
		metric_print(out, m, f, value);
	}
}

static void queue_print(FILE *out, const struct metrics *m, const qbipc_snapshot_t *snapshot)
{
	static const struct family f = { "events_queued", KIND_GAUGE, NULL,
					 "Events that clients have not taken." };
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; qbipc_snapshot_connection_get(snapshot, i, &c) == 0; i++)
		sum += c.event_q_length;
	metric_print(out, m, &f, sum);
}

/* -- Refusals ------------------------------------------------------------------ */

#undef AT
#define AT(field) offsetof(struct qbipc_service_refusals, field)

static const struct {
	const char *reason;
	size_t at;
} refusal_reasons[] = {
	{ "handshakes", AT(handshakes) },
	{ "handshakes_per_uid", AT(handshakes_per_uid) },
	{ "handshakes_overdue", AT(handshakes_overdue) },
	{ "handshakes_bad", AT(handshakes_bad) },
	{ "connections", AT(connections) },
	{ "connections_per_uid", AT(connections_per_uid) },
	{ "connections_when_scarce", AT(connections_when_scarce) },
	{ "memory_per_uid", AT(memory_per_uid) },
	{ "message_size", AT(message_size) },
	{ "descriptors", AT(descriptors) },
	{ "failed", AT(failed) },
	{ "junk_wakeups", AT(junk_wakeups) },
	{ "nonsense", AT(nonsense) },
	{ "watchers", AT(watchers) },
	{ "costly", AT(costly) },
};

static const struct family refusals_family = { "refusals", KIND_COUNTER, NULL,
					       "Clients refused or disconnected, by reason." };

/* Counted with the refusals, but none. */
static const struct family pause_counters[] = {
	{ "listener_rests", KIND_COUNTER, NULL,
	  "Pauses of the listener because it could not accept.", AT(listener_rests) },
	{ "dispatches_cut", KIND_COUNTER, NULL,
	  "Dispatches that a limit of messages or bytes ended early.", AT(dispatches_cut) },
};
#undef AT

static uint64_t refusal_value(const struct qbipc_service_refusals *r, size_t at)
{
	uint64_t value;

	memcpy(&value, (const char *)r + at, sizeof(value));
	return value;
}

static void refusals_print(FILE *out, const struct metrics *m, const qbipc_snapshot_t *snapshot)
{
	struct qbipc_service_refusals r = { .size = sizeof(r) };
	size_t i;

	qbipc_snapshot_refusals_get(snapshot, &r);
	family_print(out, m, &refusals_family);
	for (i = 0; i < sizeof(refusal_reasons) / sizeof(refusal_reasons[0]); i++) {
		metric_begin(out, m, &refusals_family);
		fprintf(out, ",reason=\"%s\"", refusal_reasons[i].reason);
		metric_end(out, refusal_value(&r, refusal_reasons[i].at));
	}
	for (i = 0; i < sizeof(pause_counters) / sizeof(pause_counters[0]); i++)
		metric_print(out, m, &pause_counters[i],
			     refusal_value(&r, pause_counters[i].at));
}

/* -- Times --------------------------------------------------------------------- */

static const struct family times_families[] = {
	[QBIPC_TIMING_PROCESS] = { "process_seconds", KIND_HISTOGRAM, "seconds",
				   "Time in the handler of a request, without that until a "
				   "later answer." },
	[QBIPC_TIMING_LATENESS] = { "loop_lateness_seconds", KIND_HISTOGRAM, "seconds",
				    "How late the poll loop notices a timer." },
};

/* As a number with a point, which OpenMetrics demands of bounds. */
static void bound_print(FILE *out, uint64_t ns)
{
	if (ns == UINT64_MAX)
		fputs("+Inf", out);
	else if (ns < (uint64_t)NS_PER_S)
		fprintf(out, "%g", (double)ns / NS_PER_S);
	else
		fprintf(out, "%.1f", (double)ns / NS_PER_S);
}

static void times_print(FILE *out, const struct metrics *m, const qbipc_snapshot_t *snapshot,
			enum qbipc_timing which)
{
	const struct family *f = &times_families[which];
	struct qbipc_timing_times t = { .size = sizeof(t) };
	uint64_t sum = 0;
	int i;

	if (qbipc_snapshot_timing_get(snapshot, which, &t) < 0)
		return;
	family_print(out, m, f);
	for (i = 0; i < QBIPC_TIMING_BUCKETS; i++) {
		sum += t.bucket[i].count;
		fprintf(out, PREFIX "%s_bucket{", f->name);
		label_print(out, "service", m->service);
		fputs(",le=\"", out);
		bound_print(out, t.bucket[i].up_to_ns);
		fprintf(out, "\"} %" PRIu64 "\n", sum);
	}
	fprintf(out, PREFIX "%s_sum{", f->name);
	label_print(out, "service", m->service);
	fprintf(out, "} %.9f\n", (double)t.sum_ns / NS_PER_S);
	fprintf(out, PREFIX "%s_count{", f->name);
	label_print(out, "service", m->service);
	metric_end(out, t.count);
}

/* -- Connections --------------------------------------------------------------- */

static const struct family connection_families[] = {
	{ "connection", KIND_INFO, NULL, "The process of the client, and the wire." },
	{ "connection_requests", KIND_COUNTER, NULL, "Requests taken from the client." },
	{ "connection_responses", KIND_COUNTER, NULL, "Responses sent to the client." },
	{ "connection_events", KIND_COUNTER, NULL, "Events sent to the client." },
	{ "connection_send_retries", KIND_COUNTER, NULL, "Sends that found no room." },
	{ "connection_receive_retries", KIND_COUNTER, NULL, "Wake-ups without a request." },
	{ "connection_flow_control_changes", KIND_COUNTER, NULL, "Changes of the flow." },
	{ "connection_flow_control", KIND_GAUGE, NULL,
	  "Flow-control value, 0 if requests are taken." },
	{ "connection_events_queued", KIND_GAUGE, NULL,
	  "Events that the client has not taken." },
	{ "connection_message_max_bytes", KIND_GAUGE, "bytes", "Size of the largest message." },
	{ "connection_age_seconds", KIND_GAUGE, "seconds", "Time since the client connected." },
};

/* In the order of connection_families. */
static void connection_values(const struct qbipc_snapshot_connection *c, uint64_t *ret)
{
	const uint64_t values[] = {
		1,
		c->requests,
		c->responses,
		c->events,
		c->send_retries,
		c->recv_retries,
		c->flow_control_count,
		c->flow,
		c->event_q_length,
		c->max_msg_size,
		c->age_ns,
	};

	_Static_assert(sizeof(values) / sizeof(values[0]) ==
			       sizeof(connection_families) / sizeof(connection_families[0]),
		       "each family has its value");
	memcpy(ret, values, sizeof(values));
}

static void connection_print(FILE *out, const struct metrics *m, const struct family *f,
			     const struct qbipc_snapshot_connection *c, uint64_t value)
{
	metric_begin(out, m, f);
	fprintf(out, ",connection=\"%" PRIu64 "\"", c->number);
	if (f->kind == KIND_INFO) {
		char wire[32];

		tool_wire_name(c->native, wire, sizeof(wire));
		fprintf(out, ",pid=\"%d\",uid=\"%u\",gid=\"%u\",wire=\"%s\",why=\"%s\"",
			(int)c->pid, c->uid, c->gid, wire, c->why ? tool_why_name(c->why) : "");
	}
	if (f->unit && strcmp(f->unit, "seconds") == 0)
		fprintf(out, "} %.9f\n", (double)value / NS_PER_S);
	else
		metric_end(out, value);
}

/* Family by family, as the formats demand. */
static void connections_print(FILE *out, const struct metrics *m,
			      const qbipc_snapshot_t *snapshot)
{
	enum { FAMILIES = sizeof(connection_families) / sizeof(connection_families[0]) };
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };
	uint64_t values[FAMILIES];
	uint32_t i, k;

	if (!m->connections || qbipc_snapshot_connection_get(snapshot, 0, &c) < 0)
		return;
	for (k = 0; k < FAMILIES; k++) {
		const struct family *f = &connection_families[k];

		family_print(out, m, f);
		for (i = 0;
		     i < m->connections && qbipc_snapshot_connection_get(snapshot, i, &c) == 0;
		     i++) {
			connection_values(&c, values);
			connection_print(out, m, f, &c, values[k]);
		}
	}
}

/* -- All of it ----------------------------------------------------------------- */

void metrics_print(FILE *out, const struct metrics *m, const qbipc_snapshot_t *snapshot)
{
	static const struct family up = { "up", KIND_GAUGE, NULL,
					  "1 if the service has answered, 0 if not." };
	struct qbipc_snapshot_info info = { .size = sizeof(info) };

	metric_print(out, m, &up, snapshot != NULL);
	if (snapshot) {
		qbipc_snapshot_info_get(snapshot, &info);
		service_print(out, m, &info);
		queue_print(out, m, snapshot);
		refusals_print(out, m, snapshot);
		times_print(out, m, snapshot, QBIPC_TIMING_PROCESS);
		times_print(out, m, snapshot, QBIPC_TIMING_LATENESS);
		connections_print(out, m, snapshot);
	}
	if (m->is_open)
		fputs("# EOF\n", out);
}

/* Others read it: the mode is that of any new file. */
static int file_fill(int fd, const struct metrics *m, const qbipc_snapshot_t *snapshot)
{
	mode_t mask = umask(0);
	FILE *out;
	int r = 0;

	umask(mask);
	if (fchmod(fd, 0666 & ~mask) < 0)
		r = -errno;
	out = r < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		r = r < 0 ? r : -errno;
		close(fd);
		return r;
	}
	metrics_print(out, m, snapshot);
	if (fflush(out) != 0 || ferror(out))
		r = -errno;
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	return r;
}

int metrics_write(const char *path, const struct metrics *m, const qbipc_snapshot_t *snapshot)
{
	char *part;
	int fd, r;

	/* In the same folder. node_exporter takes only what ends in ".prom". */
	if (asprintf(&part, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		free(part);
		return r;
	}
	r = file_fill(fd, m, snapshot);
	if (r == 0 && rename(part, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(part);
	free(part);
	return r;
}
