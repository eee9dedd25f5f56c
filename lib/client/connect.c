/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ask for a connection on a stream, and check the answer. */
#include "client/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/foreign.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/util.h"
#include "client/answer.h"
#include "client/async.h"
#include "client/connection.h"
#include "client/degraded.h"
#include "client/loans.h"
#include "client/reach.h"
#include "transport/registry.h"
#include "transport/trial.h"
#include "wire/handshake.h"
#include "wire/names.h"

static qb_ipcc_connection_t *connection_new(void)
{
	qb_ipcc_connection_t *c = calloc(1, sizeof(*c));
	int i;

	if (!c)
		return NULL;
	c->stream = c->bell = c->old_stream = c->new_stream = -1;
	c->flow_max = 1;
	c->shared = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->shared == MAP_FAILED) {
		free(c);
		return NULL;
	}
	for (i = 0; i < QBI_CLIENT_PARTS; i++)
		c->shared->turn[i] = (struct qbi_turn)QBI_TURN_SHARED_INIT;
	/* A caller that waits for an event wants to look at what its handler has done. */
	c->shared->turn[QBI_PART_EVENT].ends_by_signal = true;
	c->shared->maker = qbi_process_id();
	return c;
}

/* Why a client does not ask for the native wire; all zero: it does. */
static struct qbi_why why_not(const char *service)
{
	if (!qbi_transport_version())
		return (struct qbi_why){ qbi_transport_why_not_native(QBIPC_WHY_CLIENT_OFF) };
	return qbi_degraded_why(service);
}

static int hello_send(const qb_ipcc_connection_t *c)
{
	struct qbi_hello hello;
	ssize_t n;

	qbi_hello_init(&hello, c->wanted_size, qbi_transport_version());
	if (c->declined.code)
		qbi_hello_decline(&hello, c->declined);
	n = send(c->stream, &hello, sizeof(hello), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return n == sizeof(hello) ? 0 : -EAGAIN;
}

/* The object, and nothing else yet. 0 or -errno. */
static int client_prepare(const char *name, size_t max_msg_size, qb_ipcc_connection_t **ret_c)
{
	qb_ipcc_connection_t *c;
	const char *why;
	int r = qbi_service_name_check(name, &why);

	if (r < 0) {
		qbi_log(LOG_ERR, "cannot connect: %s", why);
		return r;
	}
	if (max_msg_size > QBI_MAX_MSG_SIZE) {
		qbi_log(LOG_ERR,
			"cannot connect to %s: no message may be as large as %zu bytes", name,
			max_msg_size);
		return -EMSGSIZE;
	}
	c = connection_new();
	if (!c)
		return -ENOMEM;
	strcpy(c->name, name);
	c->wanted_size = max_msg_size;
	*ret_c = c;
	return 0;
}

static int client_ask(qb_ipcc_connection_t *c, uint64_t deadline)
{
	int r = qbi_reach(c->name, deadline, c->cancel_state, &c->stream, &c->reached);

	if (r < 0)
		return r;
	c->declined = why_not(c->name);
	return hello_send(c);
}

static int client_open_end(qb_ipcc_connection_t *c, struct qbi_answer *a)
{
	struct qbi_client_spec spec = {
		.turns = { &c->shared->turn[QBI_PART_SEND], &c->shared->turn[QBI_PART_RECV],
			   &c->shared->turn[QBI_PART_EVENT], &c->shared->requests,
			   &c->shared->half },
		.stream = c->stream,
		.server = a->server,
		.welcome = &a->welcome,
		.fds = a->fds,
		.n_fds = a->n_fds,
	};

	c->transport = qbi_transport_for_welcome(&a->welcome);
	if (!c->transport)
		return -EPROTONOSUPPORT;
	c->server = a->server;
	c->max_msg_size = a->welcome.max_msg_size;
	c->end = calloc(1, c->transport->client->state_size);
	if (!c->end)
		return -ENOMEM;
	return c->transport->client->open(c->end, &spec);
}

/* The native wire was offered, and using it failed with @error. */
static struct qbi_why obstacle_of_client(const struct qbi_answer *a, int error)
{
	struct qbi_why why;

	if (a->fds_kept_out)
		return qbi_why_client(QBI_CALL_RECVMSG, error);
	why = qbi_transport_trial_client(a->fds, a->n_fds);
	return why.code ? why : qbi_why_client(QBI_CALL_UNKNOWN, error);
}

static int join_send(int bell, uint64_t number)
{
	struct qbi_hello hello;
	ssize_t n;

	qbi_hello_join(&hello, number);
	n = send(bell, &hello, sizeof(hello), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return n == sizeof(hello) ? 0 : -EAGAIN;
}

/* Is the service gone, or slow, rather than out of our reach? */
static bool server_is_to_blame(int error)
{
	return error == -ECONNREFUSED || error == -ENOENT || error == -ECONNRESET ||
	       error == -ETIMEDOUT || error == -EAGAIN;
}

/*
 * Make the bell and join it to the connection, whose transport is open. Nothing is answered.
 * Result as answer_accept().
 */
static int client_join(qb_ipcc_connection_t *c, uint64_t number, uint64_t deadline,
		       struct qbi_why *ret_why)
{
	bool made;
	int r;

	/* The answer was there: a server that leaves its queue full may not keep us for ever. */
	if (deadline == 0 || !qbi_deadline_is_a_time(deadline))
		deadline = qbi_deadline_from_ms(QBI_REST_OF_ANSWER_MS);
	r = qbi_reach_again(&c->reached, deadline, c->cancel_state, &c->bell, &made);
	if (r == 0)
		r = join_send(c->bell, number);
	if (r == 0)
		c->transport->client->join(c->end, qbi_take_fd(&c->bell));
	else if (!server_is_to_blame(r))
		*ret_why = qbi_why_client(made ? QBI_CALL_CONNECT : QBI_CALL_SOCKET, r);
	return r;
}

/*
 * Wait for one answer and set up the connection from it. Returns 0, -errno, or the error
 * with which the server refused, of any sign. *@ret_why: of a success, why it is not the
 * native wire; of a failure, what kept us from that, though it was offered.
 */
static int answer_accept(qb_ipcc_connection_t *c, uint64_t deadline, struct qbi_why *ret_why)
{
	struct qbi_answer *a = c->answer;
	int off = 0;
	int r = qbi_answer_wait(a, c->stream, deadline, c->cancel_state);

	if (r == -EAGAIN && deadline != 0)
		return -ETIMEDOUT;
	if (r == -EINTR)
		return -EAGAIN;
	if (r == 0) {
		r = qbi_answer_check(a);
		if (r < 0 && r != -EBADMSG)
			*ret_why = obstacle_of_client(a, r);
	}
	if (r == -EBADMSG)
		qbi_log(LOG_WARNING, "pid %d does not answer like a server", a->server.pid);
	if (r < 0)
		return r;
	if (a->welcome.error != 0)
		return a->welcome.error;
	(void)setsockopt(c->stream, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	qbi_refuse_descriptors(c->stream);
	r = client_open_end(c, a);
	if (r == 0 && c->transport->client->join) {
		/* What is mapped needs no descriptor: there may be few. */
		qbi_answer_release(a);
		return client_join(c, a->welcome.opaque, deadline, ret_why);
	}
	if (r == 0)
		*ret_why = qbi_welcome_why(&a->welcome);
	else if (r != -EBADMSG && r != -EPROTONOSUPPORT && qbi_answer_is_native(a))
		*ret_why = obstacle_of_client(a, r);
	return r;
}

static void answer_drop(qb_ipcc_connection_t *c)
{
	if (c->answer)
		qbi_answer_release(c->answer);
	free(QBI_TAKE(c->answer));
}

/* As answer_accept(). An answer is much for the stack of a thread. */
static int client_establish(qb_ipcc_connection_t *c, uint64_t deadline, struct qbi_why *ret_why)
{
	int r;

	*ret_why = (struct qbi_why){ 0 };
	c->answer = calloc(1, sizeof(*c->answer));
	r = c->answer ? answer_accept(c, deadline, ret_why) : -ENOMEM;
	answer_drop(c);
	return r;
}

/* Release everything that the first attempt has made, except the stream. */
static void client_retract(qb_ipcc_connection_t *c)
{
	if (c->end)
		c->transport->client->close(c->end, QBI_PART_AT_ONCE);
	free(QBI_TAKE(c->end));
	c->bell = qbi_close_stream(c->bell);
	c->transport = NULL;
	c->max_msg_size = 0;
}

/*
 * Ask again, for libqb's wire, on a new stream that takes the number of the old one:
 * the application may know it from qb_ipcc_connect_async().
 */
static int client_ask_again(qb_ipcc_connection_t *c, uint64_t deadline)
{
	int r = 0;

	c->old_stream = fcntl(c->stream, F_DUPFD_CLOEXEC, 0);
	if (c->old_stream < 0)
		r = -errno;
	if (r == 0)
		r = qbi_reach(c->name, deadline, c->cancel_state, &c->new_stream, NULL);
	if (r == -EMFILE || r == -ENFILE) {
		/* Then close the old one first. Its number is free then, and most likely
		 * the lowest. */
		c->old_stream = qbi_close(c->old_stream);
		c->stream = qbi_close_stream(c->stream);
		r = qbi_reach(c->name, deadline, c->cancel_state, &c->stream, NULL);
	} else if (r == 0 && dup3(c->new_stream, c->stream, O_CLOEXEC) < 0) {
		r = -errno;
	}
	/* Its last descriptor: not one that goes without a look at what lies in it. */
	c->old_stream = qbi_close_stream(c->old_stream);
	c->new_stream = qbi_close(c->new_stream);
	return r < 0 ? r : hello_send(c);
}

static int client_finish(qb_ipcc_connection_t *c, uint64_t deadline)
{
	struct qbi_why why;
	int r = client_establish(c, deadline, &why);

	if (r < 0 && why.code) {
		/*
		 * A policy, a sandbox or a shortage of descriptors prevents the native wire.
		 * libqb's wire needs nothing of this, so ask for it now.
		 */
		qbi_degraded_note(c->name, why);
		c->declined = why;
		client_retract(c);
		if (deadline == 0)
			deadline = qbi_deadline_from_ms(QBI_REST_OF_ANSWER_MS);
		r = client_ask_again(c, deadline);
		if (r == 0)
			r = client_establish(c, deadline, &why);
	}
	if (r == 0 && why.code)
		qbi_why_log(c->name, 0, c->declined.code ? c->declined : why);
	return r;
}

/*
 * In a child, as long as the process that connected exists, this is only a copy: freeing it
 * does not end the connection.
 */
static enum qbi_parting parting_of(qb_ipcc_connection_t *c)
{
	pid_t maker = (pid_t)c->shared->maker;

	if (maker != (pid_t)qbi_process_id() && (kill(maker, 0) == 0 || errno != ESRCH))
		return QBI_PART_COPY;
	return qbi_client_is_connected(c) ? QBI_PART_AT_ONCE : QBI_PART_CLEANING;
}

void qbi_client_free(qb_ipcc_connection_t *c)
{
	struct qbi_calls *calls = c ? atomic_load(&c->calls) : NULL;
	enum qbi_parting how;
	int cancel_state;

	/* A function that is told of a cancelled call may disconnect as well. */
	if (!c || (calls && !qbi_calls_close(calls)))
		return;
	cancel_state = qbi_cancel_hold_back();
	how = parting_of(c);
	if (c->end)
		c->transport->client->close(c->end, how);
	free(c->end);
	qbi_client_loans_free(c);
	answer_drop(c);
	qbi_close_stream(c->bell);
	qbi_close_stream(c->old_stream);
	qbi_close_stream(c->new_stream);
	c->stream = how == QBI_PART_COPY ? qbi_close(c->stream) : qbi_close_stream(c->stream);
	(void)munmap(c->shared, sizeof(*c->shared));
	free(c);
	if (calls)
		qbi_calls_unref(calls);
	qbi_cancel_as(cancel_state);
}

/* -- Threads that end meanwhile ---------------------------------------------------- */

static void making_undo(struct qbi_unfinished *u)
{
	qbi_client_free(qbi_container_of(u, struct qb_ipcc_connection, making));
}

int qbi_client_start(const char *name, size_t max_msg_size, uint64_t deadline,
		     qb_ipcc_connection_t **ret_c)
{
	int cancel_state = qbi_cancel_hold_back();
	qb_ipcc_connection_t *c;
	int r = client_prepare(name, max_msg_size, &c);

	if (r == 0) {
		c->cancel_state = cancel_state;
		(void)qbi_unfinished_begin(&c->making, making_undo);
		r = client_ask(c, deadline);
		qbi_unfinished_end(&c->making);
		if (r < 0)
			qbi_client_free(c);
		else
			*ret_c = c;
	}
	qbi_cancel_as(cancel_state);
	return r;
}

int qbi_client_finish(qb_ipcc_connection_t *c, uint64_t deadline)
{
	/* Else the application has it, and cleans up. */
	bool is_ours = deadline != 0;
	int r;

	c->cancel_state = qbi_cancel_hold_back();
	if (is_ours)
		(void)qbi_unfinished_begin(&c->making, making_undo);
	r = client_finish(c, deadline);
	if (is_ours)
		qbi_unfinished_end(&c->making);
	qbi_cancel_as(c->cancel_state);
	return r;
}
