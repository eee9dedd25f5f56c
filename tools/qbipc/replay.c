/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc replay: sends the requests of a recording to a service, and compares what comes back
 * with what came then.
 *
 * A connection is made for each one of the recording. Record by record: a request is sent; for
 * a response or an event the next one of its connection is waited for.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbipcc.h>
#include <qbipc/bodies.h>
#include <qbipc/connect.h>

#include "tools/qbipc/capture.h"
#include "tools/qbipc/difference.h"
#include "tools/qbipc/text.h"
#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000

/* How what came back compares. */
struct tally {
	uint64_t same;
	uint64_t different;
	uint64_t missing;
	uint64_t extra;
};

struct party {
	uint64_t number; /* in the recording */
	qb_ipcc_connection_t *c;
	bool out_of_step; /* something did not come: the rest would be compared in vain */
	uint64_t skipped; /* requests that were left out after the last one that was sent; their
			     responses are still to come in the recording */
};

struct replay {
	const char *path;
	const char *name;
	int32_t timeout_ms;
	bool headers;  /* compare nothing else */
	bool pace;     /* keep the pauses */
	bool skip_cut; /* leave out what is not there as a whole */
	bool json;
	struct capture *file;
	struct party *parties;
	size_t n_parties;
	uint64_t connections;
	uint64_t requests;
	uint64_t skipped; /* requests */
	uint64_t lost;
	uint64_t begun_ns, first_ns; /* now, and then: of the first record */
	struct tally responses, events;
	struct qb_ipc_response_header *answer; /* as large as the largest message */
	size_t answer_size;
};

/* Say what is different, where the recording is at. */
static void differ(const struct replay *o, const struct qbipc_monitor_record *r,
		   const char *how)
{
	tool_complain("packet %" PRIu64 ", %s to %" PRIu64 ": %s", o->file->packets,
		      r->kind == QBIPC_MONITOR_EVENT ? "event" : "response", r->number, how);
}

/* -- Connections ------------------------------------------------------------------- */

static struct party *party_find(struct replay *o, uint64_t number)
{
	size_t i;

	for (i = 0; i < o->n_parties; i++)
		if (o->parties[i].number == number)
			return &o->parties[i];
	return NULL;
}

static bool answer_reserve(struct replay *o, size_t size)
{
	void *larger;

	if (size <= o->answer_size)
		return true;
	larger = realloc(o->answer, size);
	if (!larger)
		return false;
	o->answer = larger;
	o->answer_size = size;
	return true;
}

/* It takes bodies, if the service has any. The largest message that it can get. */
static size_t answer_most(qb_ipcc_connection_t *c)
{
	size_t agreed = (size_t)qb_ipcc_get_buffer_size(c);

	(void)qbipc_body_limit_set(c, QBIPC_BODY_LIMIT);
	return agreed > QBIPC_BODY_LIMIT ? agreed : QBIPC_BODY_LIMIT;
}

/* NULL: it cannot be, for a reason that was reported; then *@status. */
static struct party *party_make(struct replay *o, const struct qbipc_monitor_record *r,
				int *status)
{
	struct party *p = realloc(o->parties, (o->n_parties + 1) * sizeof(*p));

	*status = TOOL_FAILED;
	if (!p) {
		tool_complain("no memory");
		return NULL;
	}
	o->parties = p;
	p += o->n_parties;
	*p = (struct party){ .number = r->number };
	p->c = qbipc_connect_timeout(o->name, r->max_msg_size, o->timeout_ms);
	if (!p->c) {
		*status = tool_fail(o->name, errno);
		return NULL;
	}
	o->n_parties++;
	o->connections++;
	*status = TOOL_OK;
	if (!answer_reserve(o, answer_most(p->c))) {
		tool_complain("no memory");
		*status = TOOL_FAILED;
		return NULL;
	}
	return p;
}

static struct party *party_of(struct replay *o, const struct qbipc_monitor_record *r,
			      int *status)
{
	struct party *p = party_find(o, r->number);

	return p ? p : party_make(o, r, status);
}

/* What came besides what is in the recording. */
static void extra_count(struct replay *o, struct party *p)
{
	if (p->out_of_step)
		return;
	while (qb_ipcc_recv(p->c, o->answer, o->answer_size, 0) > 0)
		o->responses.extra++;
	while (qb_ipcc_event_recv(p->c, o->answer, o->answer_size, 0) > 0)
		o->events.extra++;
}

static void party_end(struct replay *o, struct party *p)
{
	extra_count(o, p);
	qb_ipcc_disconnect(p->c);
	*p = o->parties[--o->n_parties];
}

/* -- Messages ---------------------------------------------------------------------- */

static int request_send(struct replay *o, struct party *p, const struct qbipc_monitor_record *r)
{
	uint64_t deadline = tool_now_ns() + (uint64_t)o->timeout_ms * NS_PER_MS;
	ssize_t n;

	while ((n = qb_ipcc_send(p->c, r->data, r->bytes)) == -EAGAIN &&
	       tool_now_ns() < deadline)
		tool_sleep_until(tool_now_ns() + NS_PER_MS);
	if (n < 0)
		return tool_fail(o->name, n == -EAGAIN ? -ETIMEDOUT : (int)n);
	o->requests++;
	return TOOL_OK;
}

/* The next event, within the time. */
static ssize_t event_take(struct replay *o, struct party *p)
{
	uint64_t deadline = tool_now_ns() + (uint64_t)o->timeout_ms * NS_PER_MS, now;
	struct pollfd fd = { .events = POLLIN };
	ssize_t n = qb_ipcc_fd_get(p->c, &fd.fd);

	if (n < 0)
		return n;
	while ((n = qb_ipcc_event_recv(p->c, o->answer, o->answer_size, 0)) == -EAGAIN &&
	       (now = tool_now_ns()) < deadline)
		(void)poll(&fd, 1, (int)((deadline - now) / NS_PER_MS) + 1);
	return n == -EAGAIN ? -ETIMEDOUT : n;
}

/* A request that is not there whole cannot be sent. */
static bool request_is_cut(const struct qbipc_monitor_record *r)
{
	return r->kind == QBIPC_MONITOR_REQUEST &&
	       (r->bytes != r->message_size || r->bytes < sizeof(struct qb_ipc_request_header));
}

static int request_play(struct replay *o, struct party *p, const struct qbipc_monitor_record *r)
{
	if (request_is_cut(r)) {
		p->skipped++;
		o->skipped++;
		return TOOL_OK;
	}
	p->skipped = 0;
	return request_send(o, p, r);
}

static void answer_await(struct replay *o, struct party *p,
			 const struct qbipc_monitor_record *r)
{
	bool is_event = r->kind == QBIPC_MONITOR_EVENT;
	struct tally *t = is_event ? &o->events : &o->responses;
	char how[DIFFERENCE_ROOM];
	ssize_t n;

	if (p->skipped && !is_event) {
		p->skipped--;
		return;
	}
	if (p->out_of_step) {
		t->missing++;
		return;
	}
	n = is_event ? event_take(o, p) :
		       qb_ipcc_recv(p->c, o->answer, o->answer_size, o->timeout_ms);
	if (n < 0) {
		snprintf(how, sizeof(how), "it has not come: %s", tool_error_text((int32_t)n));
		differ(o, r, how);
		p->out_of_step = true;
		t->missing++;
	} else if (difference_find(r, o->answer, (size_t)n, o->headers, how)) {
		differ(o, r, how);
		t->different++;
	} else {
		t->same++;
	}
}

static int record_play(struct replay *o, const struct qbipc_monitor_record *r)
{
	int status = TOOL_OK;
	struct party *p;

	o->lost += r->lost;
	switch (r->kind) {
	case QBIPC_MONITOR_REQUEST:
		p = party_of(o, r, &status);
		return p ? request_play(o, p, r) : status;
	case QBIPC_MONITOR_RESPONSE:
	case QBIPC_MONITOR_EVENT:
		p = party_of(o, r, &status);
		if (p)
			answer_await(o, p, r);
		return status;
	case QBIPC_MONITOR_CONNECTED: (void)party_of(o, r, &status); return status;
	case QBIPC_MONITOR_ENDED:
		p = party_find(o, r->number);
		if (p)
			party_end(o, p);
		return TOOL_OK;
	default: return TOOL_OK;
	}
}

/* -- The file ---------------------------------------------------------------------- */

static void cut_tell(const struct replay *o, const struct qbipc_monitor_record *r)
{
	tool_complain("%s: packet %" PRIu64 ": a request is not there as a whole, %" PRIu32
		      " of %" PRIu64 " bytes: %s; --skip-cut leaves such requests out",
		      o->path, o->file->packets, r->bytes, r->message_size,
		      r->message_size > CAPTURE_MESSAGE_MAX ?
			      "a record keeps at most 65536" :
			      "a record keeps what the service shows, and --bytes of qbipc "
			      "monitor says");
}

static int record_check(struct replay *o, const struct qbipc_monitor_record *r)
{
	if (r->kind != QBIPC_MONITOR_REQUEST)
		return TOOL_OK;
	if (o->file->swapped) {
		tool_complain("%s: it is of a machine with the other byte order", o->path);
		return TOOL_FAILED;
	}
	if (request_is_cut(r) && !o->skip_cut) {
		cut_tell(o, r);
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

static void pause_keep(struct replay *o, const struct qbipc_monitor_record *r)
{
	if (!o->first_ns) {
		o->first_ns = r->time_ns;
		o->begun_ns = tool_now_ns();
	}
	if (o->pace && r->kind == QBIPC_MONITOR_REQUEST && r->time_ns > o->first_ns)
		tool_sleep_until(o->begun_ns + (r->time_ns - o->first_ns));
}

static void file_tell(const struct replay *o)
{
	if (o->file->packets)
		tool_complain("%s: packet %" PRIu64 ": %s", o->path, o->file->packets,
			      o->file->error);
	else
		tool_complain("%s: %s", o->path, o->file->error);
}

/* Once to see that it can be done, then to do it. */
static int file_play(struct replay *o, FILE *f, bool check)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };
	int status = TOOL_OK, n = 0;

	o->file = capture_new(f);
	if (!o->file) {
		tool_complain("no memory");
		return TOOL_FAILED;
	}
	while (status == TOOL_OK && (n = capture_read(o->file, &r)) == 1) {
		if (check) {
			status = record_check(o, &r);
		} else {
			pause_keep(o, &r);
			status = record_play(o, &r);
		}
	}
	if (n < 0) {
		file_tell(o);
		status = TOOL_FAILED;
	}
	while (o->n_parties)
		party_end(o, &o->parties[o->n_parties - 1]);
	free(o->file);
	return status;
}

static bool tally_is_good(const struct tally *t)
{
	return !t->different && !t->missing && !t->extra;
}

static void tally_print(const struct replay *o, struct json *j, const char *what,
			const struct tally *t)
{
	if (!o->json) {
		printf("%s: %" PRIu64 " same, %" PRIu64 " different, %" PRIu64
		       " missing, %" PRIu64 " extra\n",
		       what, t->same, t->different, t->missing, t->extra);
		return;
	}
	json_open(j, what, '{');
	json_number(j, "same", t->same);
	json_number(j, "different", t->different);
	json_number(j, "missing", t->missing);
	json_number(j, "extra", t->extra);
	json_close(j, '}');
}

static void result_print(const struct replay *o)
{
	struct json j = { .out = stdout };

	if (o->json) {
		json_open(&j, NULL, '{');
		json_number(&j, "connections", o->connections);
		json_number(&j, "requests", o->requests);
		json_number(&j, "skipped", o->skipped);
		json_number(&j, "lost", o->lost);
	} else {
		printf("%" PRIu64 " connections, %" PRIu64 " requests", o->connections,
		       o->requests);
		if (o->skipped)
			printf(", %" PRIu64 " left out", o->skipped);
		putchar('\n');
	}
	tally_print(o, &j, "responses", &o->responses);
	tally_print(o, &j, "events", &o->events);
	if (o->json) {
		json_close(&j, '}');
		putchar('\n');
	}
	if (o->lost)
		tool_complain("%s: %" PRIu64 " records were lost when it was made", o->path,
			      o->lost);
}

static int replay_do(struct replay *o)
{
	FILE *f = fopen(o->path, "re");
	int status;

	if (!f) {
		tool_complain("%s: %s", o->path, strerror(errno));
		return TOOL_FAILED;
	}
	status = file_play(o, f, true);
	if (status == TOOL_OK && fseek(f, 0, SEEK_SET) < 0) {
		tool_complain("%s: %s", o->path, strerror(errno));
		status = TOOL_FAILED;
	}
	if (status == TOOL_OK) {
		status = file_play(o, f, false);
		if (status == TOOL_OK || o->connections)
			result_print(o);
	}
	fclose(f);
	free(o->parties);
	free(o->answer);
	if (status != TOOL_OK)
		return status;
	return tally_is_good(&o->responses) && tally_is_good(&o->events) ? TOOL_OK :
									   TOOL_FAILED;
}

static int replay_run(const struct tool_command *self, int argc, char **argv)
{
	struct replay o = { .timeout_ms = 5000 };
	int option;

	while ((option = tool_option(self, argc, argv)) != -1) {
		switch (option) {
		case 'e': o.headers = true; break;
		case 'p': o.pace = true; break;
		case 's': o.skip_cut = true; break;
		case 't':
			o.timeout_ms = (int32_t)(tool_seconds(self, optarg) / NS_PER_MS);
			break;
		case 'j': o.json = true; break;
		}
	}
	if (optind == argc)
		tool_misused(self, "the file is missing");
	o.path = argv[optind++];
	o.name = tool_only_argument(self, argc, argv);
	return replay_do(&o);
}

static const struct option replay_options[] = {
	{ "headers", no_argument, NULL, 'e' },	{ "pace", no_argument, NULL, 'p' },
	{ "skip-cut", no_argument, NULL, 's' }, { "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	{ NULL, 0, NULL, 0 },
};

const struct tool_command tool_replay = {
	.name = "replay",
	.summary = "send recorded requests again, compare the answers",
	.usage = "Usage: qbipc replay [OPTION...] FILE NAME\n"
		 "Send the requests in FILE, which qbipc monitor has recorded, to the service "
		 "NAME,\n"
		 "over as many connections, and compare responses and events with those in the "
		 "file.\n\n"
		 "  -e, --headers          compare only id, size and error\n"
		 "  -p, --pace             keep the pauses between requests\n"
		 "  -s, --skip-cut         leave out requests that are not there as a whole\n"
		 "  -t, --timeout=SECONDS  time limit of each step [5]\n"
		 "  -j, --json             print one object\n"
		 "  -h, --help             show this and exit\n"
		 "  -V, --version          show the version and exit\n",
	.short_options = ":epst:jhV",
	.options = replay_options,
	.run = replay_run,
};
