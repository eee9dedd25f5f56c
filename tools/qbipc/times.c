/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/qbipc/times.h"

#include <inttypes.h>
#include <stdbool.h>

#include "tools/qbipc/text.h"

static const struct {
	enum qbipc_timing which;
	const char *text;
	const char *key; /* in JSON */
} kinds[] = {
	{ QBIPC_TIMING_PROCESS, "a request in the application", "process" },
	{ QBIPC_TIMING_LATENESS, "lateness of its loop", "lateness" },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static bool times_get(const qbipc_snapshot_t *snapshot, int kind, struct qbipc_timing_times *t)
{
	*t = (struct qbipc_timing_times){ .size = sizeof(*t) };
	return qbipc_snapshot_timing_get(snapshot, kinds[kind].which, t) == 0;
}

int times_lines(const qbipc_snapshot_t *snapshot)
{
	struct qbipc_timing_times t;

	return times_get(snapshot, 0, &t) ? KINDS : 0;
}

static void time_print(FILE *out, uint64_t ns)
{
	if (ns < 1000000)
		fprintf(out, "%.3g us", (double)ns / 1e3);
	else if (ns < 1000000000)
		fprintf(out, "%.3g ms", (double)ns / 1e6);
	else
		fprintf(out, "%.3g s", (double)ns / 1e9);
}

/* The bound below which @percent of them are: "99 % up to 2 ms". */
static void share_print(FILE *out, const struct qbipc_timing_times *t, unsigned int percent)
{
	uint64_t wanted = t->count / 100 * percent + (t->count % 100 * percent + 99) / 100;
	uint64_t sum = 0;
	int i = 0;

	while (i < QBIPC_TIMING_BUCKETS - 1 && (sum += t->bucket[i].count) < wanted)
		i++;
	fprintf(out, ", %u %% ", percent);
	if (i == QBIPC_TIMING_BUCKETS - 1) {
		fputs("not up to ", out);
		i--;
	} else
		fputs("up to ", out);
	time_print(out, t->bucket[i].up_to_ns);
}

void times_print_lines(FILE *out, const qbipc_snapshot_t *snapshot)
{
	struct qbipc_timing_times t;
	int kind;

	for (kind = 0; kind < KINDS && times_get(snapshot, kind, &t); kind++) {
		fprintf(out, "%s: ", kinds[kind].text);
		if (!t.count)
			fputs("none yet", out);
		else {
			fprintf(out, "%" PRIu64 " times, mean ", t.count);
			time_print(out, t.sum_ns / t.count);
			share_print(out, &t, 50);
			share_print(out, &t, 99);
		}
		fputc('\n', out);
	}
}

static void times_json(struct json *j, const char *key, const struct qbipc_timing_times *t)
{
	int i;

	json_open(j, key, '{');
	json_number(j, "count", t->count);
	json_number(j, "sum_ns", t->sum_ns);
	json_open(j, "buckets", '[');
	for (i = 0; i < QBIPC_TIMING_BUCKETS; i++) {
		json_open(j, NULL, '{');
		if (t->bucket[i].up_to_ns == UINT64_MAX)
			json_null(j, "up_to_ns");
		else
			json_number(j, "up_to_ns", t->bucket[i].up_to_ns);
		json_number(j, "count", t->bucket[i].count);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void times_print_json(struct json *j, const qbipc_snapshot_t *snapshot)
{
	struct qbipc_timing_times t;
	int kind;

	if (!times_lines(snapshot)) {
		json_null(j, "times");
		return;
	}
	json_open(j, "times", '{');
	for (kind = 0; kind < KINDS; kind++)
		if (times_get(snapshot, kind, &t))
			times_json(j, kinds[kind].key, &t);
	json_close(j, '}');
}
