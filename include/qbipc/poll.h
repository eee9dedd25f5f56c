/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll.h
 * Services and clients in the loop of another library: the common part of the adapters, such
 * as poll-glib.h. Programs include the header of their loop, which includes this one. The
 * documentation here is for authors of adapters.
 *
 * An adapter has six operations (struct qbipc_poll_ops), which put one descriptor or one
 * timer into the loop of the other library. This library does everything else: the table of
 * descriptors, changes inside callbacks, jobs, services, the client's side. So a program
 * compiles in only the code that calls the other library.
 *
 * Threads: everything belongs to the thread that runs the loop; before the loop runs, to the
 * thread that prepares it. Different loops are independent.
 */
#ifndef QBIPC_POLL_H_DEFINED
#define QBIPC_POLL_H_DEFINED

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A loop that services and clients' connections are in. */
struct qbipc_poll;

/**
 * One descriptor in a loop. This library makes it, in memory of watch_size bytes: the
 * adapter's own struct begins with it, and the rest is zero at first. It never grows.
 */
struct qbipc_poll_watch {
	void *loop;			/**< of qbipc_poll_new(); NULL once removed */
	enum qb_loop_priority priority; /**< that it is called with */
	int fd;				/**< the descriptor */
	int events;			/**< those of poll(2) that are watched */
};

/** The timer of one priority's jobs, as struct qbipc_poll_watch, of jobs_size bytes. */
struct qbipc_poll_jobs {
	void *loop;			/**< of qbipc_poll_new(); NULL once ended */
	enum qb_loop_priority priority; /**< that it is called with */
};

/** What an adapter does. Functions that may fail return 0 or a negative errno. */
struct qbipc_poll_ops {
	size_t size; /**< sizeof(struct qbipc_poll_ops), set by the adapter */
	/**
	 * Not 0: the other library knows readable and writable only. Descriptors that are
	 * watched for neither are then kept in an epoll of their own, so that a hang-up is
	 * seen.
	 */
	int in_out_only;
	size_t watch_size; /**< bytes of the adapter's struct for a descriptor */
	size_t jobs_size;  /**< bytes of the adapter's struct for a timer */
	/** Report the descriptor by qbipc_poll_ready() while it has its events. */
	int (*watch_start)(struct qbipc_poll_watch *w);
	/** The same with new events or a new priority. */
	int (*watch_update)(struct qbipc_poll_watch *w);
	/** No report from now on, also when one is pending; the descriptor may be closed next. */
	void (*watch_stop)(struct qbipc_poll_watch *w);
	/** Call qbipc_poll_jobs_run() once after @p ms, in place of an earlier request. */
	int (*jobs_arm)(struct qbipc_poll_jobs *j, unsigned int ms);
	/** Not called any more. Also when it was never armed. */
	void (*jobs_stop)(struct qbipc_poll_jobs *j);
};

/** Milliseconds until a job that was added by a job runs: one that asks again waits. */
#define QBIPC_POLL_JOB_PAUSE 50

/**
 * Make a loop usable.
 *
 * @param ops       of the adapter; copied
 * @param loop      passed on in watches and jobs; not NULL
 * @param ret_poll  to be ended with qbipc_poll_free(); NULL on failure
 * @return          0; -EINVAL an argument or an operation is NULL, or no version of the
 *                  struct has that size; -E2BIG it asks for something that this library
 *                  does not know; -EMFILE, -ENFILE with in_out_only it takes one
 *                  descriptor; -ENOMEM
 * @note            Threads: the one that runs the loop, or before it runs.
 */
int qbipc_poll_new(const struct qbipc_poll_ops *ops, void *loop, struct qbipc_poll **ret_poll);

/**
 * Take everything out of the loop. What is still there is dropped without being called. A
 * service that is destroyed later finds that its loop has ended, and is not harmed.
 *
 * @param poll  not to be used any more; NULL does nothing. Also in a callback
 * @note        Threads: the one that runs the loop, or after it ran.
 */
void qbipc_poll_free(struct qbipc_poll *poll);

/**
 * Have a service live in the loop, by qbipc_service_loop_set(). Any number of services may
 * share one.
 *
 * @param poll  loop
 * @param s     service that does not run yet
 * @return      0; -EINVAL an argument is NULL; -EBUSY the service runs
 * @note        Threads: before qb_ipcs_run(), the one that runs the loop.
 */
int qbipc_poll_attach(struct qbipc_poll *poll, qb_ipcs_service_t *s);

/**
 * Watch a descriptor of the application's.
 *
 * @param poll    loop
 * @param p       priority
 * @param fd      descriptor, which is in the loop once
 * @param events  those of poll(2); POLLERR, POLLHUP and POLLNVAL are reported anyway
 * @param data    passed to @p fn
 * @param fn      called while there is one of them; a negative result removes it
 * @return        0; -EINVAL no loop, no function or no such priority; -EBADF no
 *                descriptor; -EEXIST it is there already; -ENOMEM; what the loop says
 * @note          Threads: the one that runs the loop, or before it runs.
 */
int qbipc_poll_add(struct qbipc_poll *poll, enum qb_loop_priority p, int fd, int events,
		   void *data, qb_ipcs_dispatch_fn_t fn);

/**
 * Watch a descriptor otherwise.
 *
 * @param poll    loop
 * @param p       priority
 * @param fd      descriptor that is there
 * @param events  those of poll(2) to watch for, POLLIN for instance
 * @param data    passed to @p fn
 * @param fn      called from now on
 * @return        0; -EBADF it is not there; -EINVAL no function or no such priority; what
 *                the loop says, and the same call may be tried again
 * @note          Threads: the one that runs the loop, or before it runs.
 */
int qbipc_poll_mod(struct qbipc_poll *poll, enum qb_loop_priority p, int fd, int events,
		   void *data, qb_ipcs_dispatch_fn_t fn);

/**
 * Watch a descriptor no more. Its function is not called any more, also when it is ready
 * already, and it may be closed next.
 *
 * @param poll  loop
 * @param fd    descriptor
 * @return      0; -EBADF it is not there
 * @note        Threads: the one that runs the loop, or before it runs.
 */
int qbipc_poll_del(struct qbipc_poll *poll, int fd);

/**
 * Have a function called once. Those of one priority are called in order; one that is
 * added by another one waits for QBIPC_POLL_JOB_PAUSE milliseconds.
 *
 * @param poll  loop
 * @param p     priority
 * @param data  passed to @p fn
 * @param fn    called once
 * @return      0; -EINVAL no loop, no function or no such priority; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
int qbipc_poll_job(struct qbipc_poll *poll, enum qb_loop_priority p, void *data,
		   qb_loop_job_dispatch_fn fn);

/* -- For adapters -------------------------------------------------------------- */

/**
 * The other library's report of a descriptor. May end the watch, or all of the loop.
 *
 * @param w        watch that was started and not stopped
 * @param revents  what there is, POLLIN for instance; what is not watched is left out
 * @note           Threads: the one that runs the loop.
 */
void qbipc_poll_ready(struct qbipc_poll_watch *w, int revents);

/**
 * Keep a watch's memory until qbipc_poll_watch_unref(), when the other library uses it
 * for longer than until watch_stop, or the adapter after qbipc_poll_ready().
 *
 * @param w     watch
 * @note        Threads: the one that runs the loop, or before or after it ran.
 */
void qbipc_poll_watch_ref(struct qbipc_poll_watch *w);

/**
 * Give a watch back that was kept.
 *
 * @param w     watch
 * @note        Threads: the one that runs the loop, or after it ran.
 */
void qbipc_poll_watch_unref(struct qbipc_poll_watch *w);

/**
 * The timer has expired: run the jobs that are there now.
 *
 * @param j     jobs that were armed and not stopped
 * @note        Threads: the one that runs the loop.
 */
void qbipc_poll_jobs_run(struct qbipc_poll_jobs *j);

/**
 * Keep the memory of jobs until qbipc_poll_jobs_unref(), as qbipc_poll_watch_ref().
 *
 * @param j     jobs
 * @note        Threads: the one that runs the loop, or before or after it ran.
 */
void qbipc_poll_jobs_ref(struct qbipc_poll_jobs *j);

/**
 * Give jobs back that were kept.
 *
 * @param j     jobs
 * @note        Threads: the one that runs the loop, or after it ran.
 */
void qbipc_poll_jobs_unref(struct qbipc_poll_jobs *j);

/* -- The client's side --------------------------------------------------------- */

/** Events that are handed over before other things of the loop get a turn. */
#define QBIPC_CLIENT_EVENTS 10

/** A client's connection that is watched, see qbipc_glib_watch_client() and its like. */
struct qbipc_client_watch;

/**
 * An event has come.
 *
 * @param c      connection; everything may be done with it, and with the watch
 * @param event  the event, starting with a struct qb_ipc_response_header; good until
 *               this returns
 * @param size   bytes at @p event
 * @param data   as given to the watch
 */
typedef void (*qbipc_client_event_fn)(qb_ipcc_connection_t *c, void *event, size_t size,
				      void *data);

/**
 * The server is gone and all its events have been handed over. The watch has ended:
 * unwatch does nothing now and must not be called after this returns. The place to
 * disconnect and to plan the next attempt.
 *
 * @param c      connection, out of the loop already
 * @param error  why: negative errno, -ENOTCONN unless something broke
 * @param data   as given to the watch
 */
typedef void (*qbipc_client_gone_fn)(qb_ipcc_connection_t *c, int error, void *data);

/**
 * Hand over a client's events as they come, and tell when the server is gone. Programs
 * call this by the name that it has for their loop: qbipc_glib_watch_client().
 *
 * @param poll  loop
 * @param p     priority in the loop
 * @param c     an established connection; the caller still owns it, and disconnects it
 *              after the watch has ended
 * @param event called for each event
 * @param gone  called once, when the server is gone; may be NULL
 * @param data  passed to both
 * @return      the watch, which ends with qbipc_client_unwatch(), with @p gone, or with
 *              the loop; or NULL and errno:
 *              EINVAL no connection, one that is not established, or no @p event;
 *              EEXIST it is watched already;
 *              EMFILE, ENFILE no descriptor for it, which one transport needs;
 *              ENOMEM;
 *              what the loop says
 * @note        Threads: the one that runs the loop, or before it runs.
 */
struct qbipc_client_watch *qbipc_client_watch_new(struct qbipc_poll *poll,
						  enum qb_loop_priority p,
						  qb_ipcc_connection_t *c,
						  qbipc_client_event_fn event,
						  qbipc_client_gone_fn gone, void *data);

/**
 * Stop watching a client's connection, which stays as it is. Allowed inside its
 * callbacks.
 *
 * @param cw    the watch, not to be used any more; NULL does nothing
 * @note        Threads: the one that runs the loop.
 */
void qbipc_client_unwatch(struct qbipc_client_watch *cw);

/** Calls of a client that are watched, see qbipc_glib_watch_calls() and its like. */
struct qbipc_calls_watch;

/**
 * Dispatch the calls of a client (<qbipc/call.h>) in a loop. Programs call this by the name
 * that it has for their loop: qbipc_glib_watch_calls().
 *
 * @param poll  loop
 * @param p     priority in the loop
 * @param c     an established connection; the caller still owns it
 * @return      the watch, which ends with qbipc_calls_unwatch(), with qb_ipcc_disconnect(),
 *              or with the loop; or NULL and errno:
 *              EINVAL no loop, no such priority, no connection, or one that is not
 *              established;
 *              EEXIST its calls are watched already;
 *              EMFILE, ENFILE it takes two descriptors;
 *              ENOMEM;
 *              what the loop says
 * @note        Threads: the one that runs the loop, or before it runs; functions of calls run
 *              there, and the connection is disconnected there.
 */
struct qbipc_calls_watch *qbipc_calls_watch_new(struct qbipc_poll *poll,
						enum qb_loop_priority p,
						qb_ipcc_connection_t *c);

/**
 * Stop to dispatch the calls of a client, which stay under way. Allowed inside a call.
 *
 * @param cw    the watch, not to be used any more; NULL does nothing
 * @note        Threads: the one that runs the loop.
 */
void qbipc_calls_unwatch(struct qbipc_calls_watch *cw);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
