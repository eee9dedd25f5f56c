/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server of the kind that keeps a cluster's log and files, and its clients: two services
 * with a context each, in two threads with a loop each, a third thread that answers some
 * requests later; it goes into the background when the services run, tells by uid who may
 * come, looks at the byte behind a request, and answers in pieces of varied size. Built
 * against both libraries; whoever serves and whoever asks, the transcripts are the same.
 *
 *	cluster-log serve NAME SHM|SOCKET	returns when clients can connect
 *	cluster-log ask NAME			and has it end
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbdefs.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

enum {
	MSG_LOG = QB_IPC_MSG_USER_START + 1,
	MSG_LOG_LATER, /* answered by the worker */
	MSG_GET,
	MSG_DUMP,
	MSG_SHUT, /* nobody else may come */
	MSG_QUIT,
};
enum { TIMEOUT_S = 60, CALL_MS = 30000, MAX_MESSAGE = 131072, WRITERS = 3, LINES = 60 };

struct log_request {
	struct qb_ipc_request_header h;
	uint8_t priority, ident_len, tag_len; /* with their zeros */
	char data[];			      /* ident, tag, and a text without a zero */
};

/* -- The server: its services -------------------------------------------------------- */

struct service {
	const char *suffix;
	bool read_only;
	struct qb_ipcs_poll_handlers poll;
	qb_loop_t *loop;
	qb_ipcs_service_t *s;
	pthread_t thread;
	bool shut;
	/* The first three without those who never asked for anything: strangers. */
	unsigned int closed, destroyed, calls, contexts, unterminated;
};

/* What connections have as their context. */
struct client {
	uid_t uid;
	bool read_only;
	unsigned int calls;
};

#define SERVICE(name, suffix_, read_only_)                                                     \
	static struct service name;                                                            \
	static int32_t name##_job(enum qb_loop_priority p, void *data,                         \
				  qb_loop_job_dispatch_fn fn)                                  \
	{                                                                                      \
		return qb_loop_job_add(name.loop, p, data, fn);                                \
	}                                                                                      \
	static int32_t name##_add(enum qb_loop_priority p, int32_t fd, int32_t ev, void *data, \
				  qb_ipcs_dispatch_fn_t fn)                                    \
	{                                                                                      \
		return qb_loop_poll_add(name.loop, p, fd, ev, data, fn);                       \
	}                                                                                      \
	static int32_t name##_mod(enum qb_loop_priority p, int32_t fd, int32_t ev, void *data, \
				  qb_ipcs_dispatch_fn_t fn)                                    \
	{                                                                                      \
		return qb_loop_poll_mod(name.loop, p, fd, ev, data, fn);                       \
	}                                                                                      \
	static int32_t name##_del(int32_t fd)                                                  \
	{                                                                                      \
		return qb_loop_poll_del(name.loop, fd);                                        \
	}                                                                                      \
	static struct service name = {                                                         \
		.suffix = suffix_,                                                             \
		.read_only = read_only_,                                                       \
		.poll = { name##_job, name##_add, name##_mod, name##_del },                    \
	}

SERVICE(writable, "", false);
SERVICE(readable, "-ro", true);
static struct service *const services[] = { &writable, &readable };

/* The log: a number that stands for its lines, in whatever order they came. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned long lines, sum;
	qb_ipcs_connection_t *later[WRITERS]; /* who waits for the worker */
	unsigned int n_later;
	bool over;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct service *service_of(qb_ipcs_connection_t *c)
{
	return qb_ipcs_connection_service_context_get(c);
}

static void answer(qb_ipcs_connection_t *c, int32_t id, int error, const void *body,
		   size_t size)
{
	struct qb_ipc_response_header h = { .id = id, .error = error };
	struct iovec iov[] = { { &h, sizeof(h) },
			       { NULL, 0 },
			       { (void *)(uintptr_t)body, size } };

	h.size = (int32_t)(sizeof(h) + size);
	if (qb_ipcs_response_sendv(c, iov, size ? 3 : 2) < 0)
		qb_ipcs_disconnect(c);
}

/* Puts one line into the log; negative for a request that makes no sense. */
static int log_line(struct service *sv, const struct log_request *q, size_t size)
{
	const char *end = (const char *)q + size, *text;
	size_t names = (size_t)q->ident_len + q->tag_len;

	if (size < offsetof(struct log_request, data) + names || q->ident_len == 0 ||
	    q->tag_len == 0 || q->data[q->ident_len - 1] || q->data[names - 1])
		return -EINVAL;
	sv->unterminated += *end != 0;
	text = q->data + names;
	pthread_mutex_lock(&store.lock);
	store.lines++;
	store.sum += strnlen(text, (size_t)(end - text)) * q->priority;
	while (text < end)
		store.sum += (unsigned char)*text++;
	pthread_mutex_unlock(&store.lock);
	return 0;
}

static void log_later(qb_ipcs_connection_t *c)
{
	pthread_mutex_lock(&store.lock);
	store.later[store.n_later++] = c;
	pthread_cond_signal(&store.changed);
	pthread_mutex_unlock(&store.lock);
}

/* The third thread. Who waits for an answer does not go away. */
static void *work(void *data)
{
	pthread_mutex_lock(&store.lock);
	for (;;) {
		while (!store.over && store.n_later == 0)
			pthread_cond_wait(&store.changed, &store.lock);
		if (store.n_later == 0)
			break;
		qb_ipcs_connection_t *c = store.later[--store.n_later];
		pthread_mutex_unlock(&store.lock);
		answer(c, MSG_LOG_LATER, 0, NULL, 0);
		pthread_mutex_lock(&store.lock);
	}
	pthread_mutex_unlock(&store.lock);
	return NULL;
}

/* A file is as long as its name says. */
static void get_file(qb_ipcs_connection_t *c, const char *path, size_t size)
{
	static const char prefix[] = "files/";
	static __thread char body[MAX_MESSAGE];
	char number[16] = "";
	size_t n;

	if (size < sizeof(prefix) || strncmp(path, prefix, sizeof(prefix) - 1) != 0) {
		answer(c, MSG_GET, -ENOENT, NULL, 0);
		return;
	}
	snprintf(number, sizeof(number), "%s", path + sizeof(prefix) - 1);
	n = strtoul(number, NULL, 10);
	for (size_t i = 0; i < n; i++)
		body[i] = (char)(i * 7 + n);
	answer(c, MSG_GET, 0, body, n);
}

static void dump(qb_ipcs_connection_t *c)
{
	char text[80];

	pthread_mutex_lock(&store.lock);
	snprintf(text, sizeof(text), "%lu lines, sum %lu", store.lines, store.sum);
	pthread_mutex_unlock(&store.lock);
	answer(c, MSG_DUMP, 0, text, strlen(text) + 1);
}

/* -- Callbacks ---------------------------------------------------------------------- */

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct service *sv = service_of(c);
	struct client *client;

	if (sv->shut || uid != geteuid())
		return -EACCES;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->uid = uid;
	client->read_only = sv->read_only;
	sv->contexts++;
	qb_ipcs_context_set(c, client);
	qb_ipcs_connection_auth_set(c, uid, gid, sv->read_only ? 0640 : 0600);
	return 0;
}

static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *h = data;
	struct service *sv = service_of(c);
	struct client *client = qb_ipcs_context_get(c);
	int r = 0;

	sv->calls++;
	client->calls++;
	switch (h->id) {
	case MSG_LOG:
	case MSG_LOG_LATER:
		r = client->read_only ? -EPERM : log_line(sv, data, size);
		if (r == 0 && h->id == MSG_LOG_LATER)
			log_later(c);
		else
			answer(c, h->id, r, NULL, 0);
		break;
	case MSG_GET: get_file(c, (const char *)(h + 1), size - sizeof(*h)); break;
	case MSG_DUMP: dump(c); break;
	case MSG_SHUT:
		sv->shut = true;
		answer(c, h->id, 0, NULL, 0);
		break;
	case MSG_QUIT:
		answer(c, h->id, 0, &client->calls, sizeof(client->calls));
		qb_loop_stop(sv->loop);
		break;
	default: answer(c, h->id, -ENOSYS, NULL, 0);
	}
	return 0;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	struct client *client = qb_ipcs_context_get(c);

	service_of(c)->closed += client->calls > 0;
	return 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	struct service *sv = service_of(c);
	struct client *client = qb_ipcs_context_get(c);

	/* None of one that was refused, if the library tells of its end at all. */
	if (!client)
		return;
	sv->contexts -= client->uid == geteuid();
	sv->destroyed += client->calls > 0;
	free(client);
}

/* -- The server: its life ------------------------------------------------------------ */

static int service_open(struct service *sv, const char *name, const char *type)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = on_accept,
		.msg_process = on_msg,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
	};
	char full[64];

	snprintf(full, sizeof(full), "%s%s", name, sv->suffix);
	sv->loop = qb_loop_create();
	sv->s = qb_ipcs_create(full, sv->read_only ? 2 : 1,
			       strcmp(type, "SHM") ? QB_IPC_SOCKET : QB_IPC_SHM, &handlers);
	if (!sv->loop || !sv->s)
		return -1;
	qb_ipcs_service_context_set(sv->s, sv);
	qb_ipcs_poll_handlers_set(sv->s, &sv->poll);
	return qb_ipcs_run(sv->s);
}

static void *service_run(void *data)
{
	struct service *sv = data;

	qb_loop_run(sv->loop);
	qb_ipcs_destroy(sv->s);
	return NULL;
}

static void serve_in_background(void)
{
	pthread_t worker;

	alarm(TIMEOUT_S);
	setsid();
	if (pthread_create(&worker, NULL, work, NULL) != 0)
		return;
	for (size_t i = 0; i < 2; i++)
		if (pthread_create(&services[i]->thread, NULL, service_run, services[i]) != 0)
			return;
	for (size_t i = 0; i < 2; i++) {
		struct service *sv = services[i];

		pthread_join(sv->thread, NULL);
		qb_loop_destroy(sv->loop);
		printf("service %u: calls %u, closed %u, destroyed %u, contexts left %u\n",
		       (unsigned int)i, sv->calls, sv->closed, sv->destroyed, sv->contexts);
	}
	pthread_mutex_lock(&store.lock);
	store.over = true;
	pthread_cond_signal(&store.changed);
	pthread_mutex_unlock(&store.lock);
	pthread_join(worker, NULL);
	printf("requests without a zero behind them: %u\n", writable.unterminated);
}

static int serve(const char *name, const char *type)
{
	pid_t pid;

	for (size_t i = 0; i < 2; i++) {
		int r = service_open(services[i], name, type);

		if (r < 0) {
			fprintf(stderr, "cannot serve: %s\n", strerror(-r));
			return 1;
		}
	}
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	serve_in_background();
	fflush(stdout);
	_exit(0);
}

/* -- Clients ------------------------------------------------------------------------ */

static char reply[MAX_MESSAGE] __attribute__((aligned(8)));

static qb_ipcc_connection_t *client_open(const char *name, const char *suffix)
{
	qb_ipcc_connection_t *c;
	char full[64];

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	errno = 0;
	c = qb_ipcc_connect(full, MAX_MESSAGE);
	if (!c)
		printf("no connection: %s\n", strerror(errno));
	return c;
}

/* The size of the answer, which is said when it is not 0 and expected. */
static ssize_t call(qb_ipcc_connection_t *c, int32_t id, const void *body, size_t size)
{
	struct qb_ipc_request_header h = { .id = id, .size = (int32_t)(sizeof(h) + size) };
	struct iovec iov[] = { { &h, sizeof(h) }, { (void *)(uintptr_t)body, size } };
	struct qb_ipc_response_header *r = (void *)reply;
	ssize_t n = qb_ipcc_sendv_recv(c, iov, 2, reply, sizeof(reply), CALL_MS);

	if (n < 0)
		printf("request %d: %s\n", (int)(id - MSG_LOG), strerror((int)-n));
	else if (r->id != id || r->size != n)
		printf("request %d: answer %d of %d\n", (int)(id - MSG_LOG), (int)r->id,
		       (int)n);
	else if (r->error)
		printf("request %d: %s\n", (int)(id - MSG_LOG), strerror(-r->error));
	return n < 0 ? n : n - (ssize_t)sizeof(*r);
}

/* Texts of varied length, without the zero. */
static void write_line(qb_ipcc_connection_t *c, unsigned int who, unsigned int i)
{
	union {
		struct log_request q;
		char space[4096];
	} u = { .q = { .priority = (uint8_t)(i % 8), .ident_len = 7, .tag_len = 4 } };
	const size_t offset = sizeof(struct qb_ipc_request_header);
	char *text = u.q.data + 11;
	size_t n = (i * 397 + who * 31) % 2000;

	memcpy(u.q.data, "writer\0log", 11);
	for (size_t at = 0; at < n; at++)
		text[at] = (char)('a' + (at + i) % 26);
	call(c, i % 5 ? MSG_LOG : MSG_LOG_LATER, u.space + offset,
	     (size_t)(text - u.space) + n - offset);
}

static void get(qb_ipcc_connection_t *c, const char *path)
{
	unsigned int sum = 0;
	ssize_t n = call(c, MSG_GET, path, strlen(path));

	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 +
		      (unsigned char)reply[sizeof(struct qb_ipc_response_header) + (size_t)i];
	printf("%.20s: %zd bytes, sum %u\n", path, n, sum);
}

static void write_log(const char *name, unsigned int who)
{
	static const size_t sizes[] = { 0, 1, 100, 4095, 4096, 12288, 70000, 3 };
	qb_ipcc_connection_t *c = client_open(name, "");
	char path[5000];

	if (!c)
		return;
	for (unsigned int i = 0; i < LINES; i++) {
		/* A path with much behind the number, so that much would be left of it. */
		memset(path, '.', sizeof(path));
		path[sizeof(path) - 1 - i] = '\0';
		memcpy(path, "files/", 6);
		path[6 + snprintf(path + 6, 16, "%zu", sizes[i % 8] + who)] = '.';
		get(c, path);
		write_line(c, who, i);
	}
	call(c, MSG_LOG, "short", 5);
	call(c, MSG_GET, NULL, 0);
	call(c, MSG_QUIT + 1, path, 1000);
	qb_ipcc_disconnect(c);
}

static void writers_run(const char *name)
{
	pid_t pids[WRITERS];
	FILE *files[WRITERS];
	char line[256];
	int status;

	fflush(stdout);
	for (unsigned int i = 0; i < WRITERS; i++) {
		files[i] = tmpfile();
		pids[i] = files[i] ? fork() : -1;
		if (pids[i] == 0) {
			dup2(fileno(files[i]), STDOUT_FILENO);
			write_log(name, i);
			fflush(stdout);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < WRITERS; i++) {
		if (pids[i] < 0 || waitpid(pids[i], &status, 0) != pids[i] || status != 0) {
			printf("writer %u failed\n", i);
			continue;
		}
		rewind(files[i]);
		while (fgets(line, sizeof(line), files[i]))
			printf("writer %u: %s", i, line);
		fclose(files[i]);
	}
}

static int ask(const char *name)
{
	const char *const body = reply + sizeof(struct qb_ipc_response_header);
	qb_ipcc_connection_t *main_one, *reader, *late;

	alarm(TIMEOUT_S);
	writers_run(name);
	main_one = client_open(name, "");
	reader = client_open(name, "-ro");
	if (!main_one || !reader)
		return 1;
	write_line(reader, 0, 1);
	get(reader, "files/20000");
	if (call(reader, MSG_DUMP, NULL, 0) > 0)
		printf("the log: %s\n", body);
	call(main_one, MSG_SHUT, NULL, 0);
	late = client_open(name, "");
	if (late)
		qb_ipcc_disconnect(late);
	if (call(reader, MSG_QUIT, NULL, 0) == sizeof(unsigned int))
		printf("calls of the reader: %u\n", *(const unsigned int *)(const void *)body);
	call(main_one, MSG_QUIT, NULL, 0);
	qb_ipcc_disconnect(reader);
	qb_ipcc_disconnect(main_one);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	fprintf(stderr, "usage: cluster-log serve NAME SHM|SOCKET | ask NAME\n");
	return 2;
}
