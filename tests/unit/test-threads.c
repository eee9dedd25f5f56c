/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends in one process, so that a checker of data races sees all of the library: one
 * thread dispatches, others send responses and events to several connections, wait for
 * room, read counters and drop the last reference; each client has a thread for calls, one
 * for events and one that reads its state, and comes and goes all the time.
 *
 * ThreadSanitizer does not follow shared memory across two mappings; it follows
 * everything else, and that is what is checked here.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"

enum {
	SENDERS = 3,
	CLIENTS = 3,
	ROUNDS = 4,		  /* connections of each client, one after the other */
	CALLS = 150,		  /* of each connection */
	QUEUE = 64,		  /* requests that wait for a sender */
	SERVED_MAX = 2 * CLIENTS, /* one that goes and one that comes */
	EVENT_SIZE = 4000,	  /* a few fill any queue */
	BROADCAST = SENDERS,	  /* the number of a sender that is none */
	RATE_EVERY = 64,
};

struct request {
	struct qb_ipc_request_header header;
};

struct event {
	struct qb_ipc_response_header header;
	uint32_t sender, number; /* counted per sender and connection */
	char rest[EVENT_SIZE - sizeof(struct qb_ipc_response_header) - 8];
};

/* A connection as the senders know it. */
struct served {
	qb_ipcs_connection_t *c; /* holds a reference; NULL: free */
	bool full;		 /* refused an event, and nobody said there is room */
	uint32_t number[SENDERS + 1];
};

static struct {
	pthread_t dispatcher;
	qb_loop_t *loop;
	qb_ipcs_service_t *service;
	char name[108];

	pthread_mutex_t lock; /* of everything below */
	struct served served[SERVED_MAX];
	struct {
		qb_ipcs_connection_t *c; /* a reference */
		int32_t id;
	} queue[QUEUE];
	unsigned int queued;
	unsigned int requests;

	atomic_bool end;
	atomic_uint told, refused, events, destroyed;
	_Atomic(const char *) failure;
} t;

/* Failed assertions belong to the main thread. */
#define EXPECT(condition)                                                                      \
	do {                                                                                   \
		if (!(condition))                                                              \
			t.failure = #condition;                                                \
	} while (0)

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer knows this one in later versions only: the same by functions it knows. */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
			    const struct timespec *until)
{
	struct timespec now;

	while (pthread_mutex_trylock(mutex) != 0) {
		clock_gettime(clock, &now);
		if (now.tv_sec > until->tv_sec ||
		    (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec))
			return ETIMEDOUT;
		pause_briefly();
	}
	return 0;
}
#endif

/* -- The dispatching thread --------------------------------------------------- */

static struct served *served_find(const qb_ipcs_connection_t *c)
{
	for (int i = 0; i < SERVED_MAX; i++)
		if (t.served[i].c == c)
			return &t.served[i];
	return NULL;
}

static void on_created(qb_ipcs_connection_t *c)
{
	struct served *s;

	pthread_mutex_lock(&t.lock);
	s = served_find(NULL);
	EXPECT(s);
	if (s) {
		*s = (struct served){ .c = c };
		qb_ipcs_connection_ref(c);
	}
	pthread_mutex_unlock(&t.lock);
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	struct served *s;

	pthread_mutex_lock(&t.lock);
	s = served_find(c);
	if (s)
		s->c = NULL;
	pthread_mutex_unlock(&t.lock);
	if (s)
		qb_ipcs_connection_unref(c);
	return 0;
}

/* Runs in whichever thread drops the last reference. */
static void on_destroyed(qb_ipcs_connection_t *c)
{
	atomic_fetch_add(&t.destroyed, 1);
}

static void on_writable(qb_ipcs_connection_t *c, void *data)
{
	struct served *s;

	atomic_fetch_add(&t.told, 1);
	pthread_mutex_lock(&t.lock);
	s = served_find(c);
	if (s)
		s->full = false;
	pthread_mutex_unlock(&t.lock);
}

static void on_missed(qb_ipcs_connection_t *c, int error, void *data)
{
	EXPECT(error == -EAGAIN || error == -ENOTCONN);
}

static void broadcast(void)
{
	static uint32_t number;
	struct event e = { .header = { .id = BROADCAST, .size = sizeof(e) } };
	struct iovec iov = { &e, sizeof(e) };

	e.sender = BROADCAST;
	e.number = ++number;
	EXPECT(qbipc_service_broadcast(t.service, &iov, 1, on_missed, NULL) >= 0);
}

/* A request goes to the senders; when they are behind it is answered here. */
static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct request *r = data;
	bool queued = false;

	pthread_mutex_lock(&t.lock);
	if (t.queued < QUEUE) {
		qb_ipcs_connection_ref(c);
		t.queue[t.queued].c = c;
		t.queue[t.queued++].id = r->header.id;
		queued = true;
	}
	pthread_mutex_unlock(&t.lock);
	if (!queued) {
		struct qb_ipc_response_header h = { .id = r->header.id, .size = sizeof(h) };

		EXPECT(qb_ipcs_response_send(c, &h, sizeof(h)) != -EINVAL);
	}
	if (++t.requests % RATE_EVERY == 0)
		qb_ipcs_request_rate_limit(t.service, t.requests / RATE_EVERY % 2 ?
							      QB_IPCS_RATE_FAST :
							      QB_IPCS_RATE_NORMAL);
	if (t.requests % 16 == 0)
		broadcast();
	return 0;
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(t.loop, p, data, fn);
}

static int32_t poll_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(t.loop, p, fd, events, data, fn);
}

static int32_t poll_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(t.loop, p, fd, events, data, fn);
}

static int32_t poll_del(int32_t fd)
{
	return qb_loop_poll_del(t.loop, fd);
}

static void *dispatch(void *arg)
{
	qb_loop_run(t.loop);
	return NULL;
}

static void stop_dispatching(void *data)
{
	qb_ipcs_destroy(t.service);
	qb_loop_stop(t.loop);
}

/* -- Senders -------------------------------------------------------------------- */

static bool answer_one(void)
{
	struct qb_ipc_response_header h = { .size = sizeof(h) };
	qb_ipcs_connection_t *c = NULL;

	pthread_mutex_lock(&t.lock);
	if (t.queued > 0) {
		c = t.queue[--t.queued].c;
		h.id = t.queue[t.queued].id;
	}
	pthread_mutex_unlock(&t.lock);
	if (!c)
		return false;
	while (qb_ipcs_response_send(c, &h, sizeof(h)) == -EAGAIN)
		pause_briefly();
	qb_ipcs_connection_unref(c);
	return true;
}

/* A connection that may take an event of this sender, with a reference. */
static struct served *served_take(unsigned int sender, unsigned int *seed,
				  qb_ipcs_connection_t **ret_c)
{
	struct served *s = &t.served[(unsigned int)rand_r(seed) % SERVED_MAX];

	pthread_mutex_lock(&t.lock);
	if (!s->c || s->full)
		s = NULL;
	if (s) {
		*ret_c = s->c;
		qb_ipcs_connection_ref(s->c);
	}
	pthread_mutex_unlock(&t.lock);
	return s;
}

static void send_event(unsigned int sender, unsigned int *seed)
{
	struct event e = { .header = { .id = (int32_t)sender, .size = sizeof(e) } };
	qb_ipcs_connection_t *c;
	struct served *s = served_take(sender, seed, &c);
	ssize_t n;

	if (!s)
		return;
	pthread_mutex_lock(&t.lock);
	e.sender = sender;
	e.number = s->c == c ? ++s->number[sender] : UINT32_MAX;
	/* Before sending: afterwards it would undo what on_writable() has said. */
	s->full = true;
	pthread_mutex_unlock(&t.lock);
	n = qb_ipcs_event_send(c, &e, sizeof(e));
	EXPECT(n == sizeof(e) || n == -EAGAIN || n == -ENOTCONN);
	atomic_fetch_add(n > 0 ? &t.events : &t.refused, 1);
	pthread_mutex_lock(&t.lock);
	if (n > 0 && s->c == c)
		s->full = false;
	pthread_mutex_unlock(&t.lock);
	qb_ipcs_connection_unref(c);
}

static void read_counters(unsigned int sender, unsigned int *seed)
{
	struct qb_ipcs_connection_stats_2 *stats;
	struct qb_ipcs_stats all;
	qb_ipcs_connection_t *c;

	EXPECT(qb_ipcs_stats_get(t.service, &all, (int32_t)(sender == 0)) == 0);
	EXPECT(all.active_connections <= SERVED_MAX);
	if (!served_take(sender, seed, &c))
		return;
	stats = qb_ipcs_connection_stats_get_2(c, (int32_t)(sender == 1));
	EXPECT(stats && stats->client_pid == getpid());
	free(stats);
	EXPECT(qb_ipcs_connection_get_buffer_size(c) > 0);
	EXPECT(qb_ipcs_service_id_get(c) == 7);
	qb_ipcs_connection_unref(c);
}

static void *send_all(void *arg)
{
	unsigned int sender = (unsigned int)(uintptr_t)arg;
	unsigned int seed = sender + 1;

	while (!t.end) {
		bool answered = answer_one();

		send_event(sender, &seed);
		if (rand_r(&seed) % 8 == 0)
			read_counters(sender, &seed);
		if (!answered)
			pause_briefly();
	}
	while (answer_one())
		;
	return NULL;
}

/* -- Clients ---------------------------------------------------------------------- */

struct client {
	pthread_t thread;
	qb_ipcc_connection_t *c;
	atomic_bool end;
};

/* Numbers of one sender only grow. */
static void *receive_events(void *arg)
{
	struct client *client = arg;
	uint32_t last[SENDERS + 1] = { 0 };
	struct event *e = malloc(sizeof(*e));

	EXPECT(e);
	while (e && !client->end) {
		ssize_t n = qb_ipcc_event_recv(client->c, e, sizeof(*e), 20);

		if (n == -EAGAIN)
			continue;
		EXPECT(n == sizeof(*e) && e->sender <= SENDERS);
		if (n != sizeof(*e) || e->sender > SENDERS)
			break;
		EXPECT(e->number > last[e->sender]);
		last[e->sender] = e->number;
	}
	free(e);
	return NULL;
}

static void *read_state(void *arg)
{
	struct client *client = arg;
	int32_t fd;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	while (!client->end) {
		EXPECT(qb_ipcc_is_connected(client->c));
		EXPECT(qb_ipcc_auth_get(client->c, &pid, &uid, &gid) == 0 && pid == getpid());
		EXPECT(qb_ipcc_get_buffer_size(client->c) > 0);
		EXPECT(qb_ipcc_fd_get(client->c, &fd) == 0 && fd >= 0);
		EXPECT(qb_ipcc_fc_enable_max_set(client->c, 1) == 0);
		pause_briefly();
	}
	return NULL;
}

static void call_one(qb_ipcc_connection_t *c, int32_t id)
{
	struct qb_ipc_response_header h = { .id = 0 };
	struct request r;
	struct iovec iov = { &r, sizeof(r) };
	ssize_t n;

	memset(&r, 0, sizeof(r)); /* the padding is sent as well */
	r.header.id = id;
	r.header.size = sizeof(r);
	while ((n = qb_ipcc_sendv_recv(c, &iov, 1, &h, sizeof(h), deadline_ms())) == -EAGAIN)
		pause_briefly();
	EXPECT(n == sizeof(h) && h.id == id);
}

static void *call_all(void *arg)
{
	struct client *client = arg;

	for (int round = 0; round < ROUNDS && !t.failure; round++) {
		pthread_t events, state;

		client->c = qb_ipcc_connect(t.name, 0);
		EXPECT(client->c);
		if (!client->c)
			break;
		client->end = false;
		EXPECT(pthread_create(&events, NULL, receive_events, client) == 0);
		EXPECT(pthread_create(&state, NULL, read_state, client) == 0);
		for (int32_t id = 1; id <= CALLS && !t.failure; id++)
			call_one(client->c, id);
		client->end = true;
		pthread_join(events, NULL);
		pthread_join(state, NULL);
		qb_ipcc_disconnect(client->c);
	}
	return NULL;
}

static void service_start(enum qb_ipc_type type)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_created = on_created,
		.msg_process = on_msg,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
	};
	struct qb_ipcs_poll_handlers poll = { job_add, poll_add, poll_mod, poll_del };

	memset(&t, 0, sizeof(t));
	pthread_mutex_init(&t.lock, NULL);
	unique_name(t.name, sizeof(t.name));
	t.loop = qb_loop_create();
	t.service = qb_ipcs_create(t.name, 7, type, &handlers);
	ck_assert(t.loop && t.service);
	qb_ipcs_poll_handlers_set(t.service, &poll);
	ck_assert_int_eq(qbipc_service_writable_set(t.service, on_writable, NULL), 0);
	ck_assert_int_eq(qb_ipcs_run(t.service), 0);
	ck_assert_int_eq(pthread_create(&t.dispatcher, NULL, dispatch, NULL), 0);
}

START_TEST(senders_and_clients_in_threads_of_their_own)
{
	pthread_t senders[SENDERS];
	struct client clients[CLIENTS] = { { .c = NULL } };

	qbipc_native_set(!variants[_i].libqb_wire);
	service_start(variants[_i].type);
	for (uintptr_t i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&senders[i], NULL, send_all, (void *)i), 0);
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(
			pthread_create(&clients[i].thread, NULL, call_all, &clients[i]), 0);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	t.end = true;
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	WAIT_FOR(t.destroyed == CLIENTS * ROUNDS || t.failure);
	ck_assert_int_eq(qb_loop_job_add(t.loop, QB_LOOP_LOW, NULL, stop_dispatching), 0);
	pthread_join(t.dispatcher, NULL);
	qb_loop_destroy(t.loop);
	pthread_mutex_destroy(&t.lock);
	ck_assert_msg(!t.failure, "%s", t.failure);
	ck_assert_uint_gt(t.events, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = tcase_new(s, "threads");

	add_transport_test(tc, senders_and_clients_in_threads_of_their_own);
	return suite_main(s);
}
