/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbipcs.h
 * The server's side: a service, its connections, the callbacks that they cause.
 *
 * Life of a service: qb_ipcs_create(), qb_ipcs_poll_handlers_set(), qb_ipcs_run(),
 * qb_ipcs_destroy(). It has no thread and no loop of its own: it hands descriptors to
 * the application's poll loop, and all callbacks run from there.
 *
 * Life of a connection, by its callbacks:
 *
 *     accept -> created -> msg_process ... -> closed -> destroyed
 *
 * destroyed follows every accept; closed follows only a created that returned with the
 * connection alive. The pointer is valid until destroyed returns, which follows the last
 * reference.
 *
 * Nothing here waits for a client. Errors are negative errno values. A NULL service or
 * connection is -EINVAL, NULL, 0 or nothing, never a crash. The log says which argument a
 * -EINVAL is about, see qbipc_log_hook_set().
 *
 * Threads: a service belongs to the thread that runs the poll loop, which need not be
 * the one that created it; all callbacks run there, except that destroyed runs in the
 * thread that drops the last reference. Other threads that hold a reference may send
 * responses and events, count the connection's references and read its counters.
 */
#ifndef QB_IPCS_H_DEFINED
#define QB_IPCS_H_DEFINED

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <qb/qbipc_common.h>
#include <qb/qbloop.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * How eagerly a service takes requests: its priority in the loop and how many messages
 * of one connection it takes per turn. With FAST and NORMAL it takes more, for 20
 * microseconds, while handlers take little time.
 */
enum qb_ipcs_rate_limit {
	QB_IPCS_RATE_FAST,   /**< QB_LOOP_HIGH, 50 messages */
	QB_IPCS_RATE_NORMAL, /**< QB_LOOP_MED, 5 messages; where a service starts */
	QB_IPCS_RATE_SLOW,   /**< QB_LOOP_LOW, 1 message */
	QB_IPCS_RATE_OFF,    /**< none; clients are told not to send */
	QB_IPCS_RATE_OFF_2   /**< none; only for clients that raised their limit */
};

struct qb_ipcs_connection;
/** A connection, counted by references. */
typedef struct qb_ipcs_connection qb_ipcs_connection_t;

struct qb_ipcs_service;
/** A service, counted by references. */
typedef struct qb_ipcs_service qb_ipcs_service_t;

/** Counters of a service. */
struct qb_ipcs_stats {
	uint32_t active_connections; /**< connected now */
	uint32_t closed_connections; /**< closed since the last clearing */
};

/** Counters of a connection, since it was made or last cleared. */
struct qb_ipcs_connection_stats {
	int32_t client_pid;	     /**< process id; from accept on, never cleared */
	uint64_t requests;	     /**< messages handed to msg_process */
	uint64_t responses;	     /**< responses sent */
	uint64_t events;	     /**< events sent */
	uint64_t send_retries;	     /**< sends that found no room */
	uint64_t recv_retries;	     /**< wake-ups without a request, where noticed */
	int32_t flow_control_state;  /**< flow-control value that clients see; 0: send */
	uint64_t flow_control_count; /**< times that value was changed */
};

/** The same and one more. */
struct qb_ipcs_connection_stats_2 {
	int32_t client_pid;	     /**< as in struct qb_ipcs_connection_stats */
	uint64_t requests;	     /**< likewise */
	uint64_t responses;	     /**< likewise */
	uint64_t events;	     /**< likewise */
	uint64_t send_retries;	     /**< likewise */
	uint64_t recv_retries;	     /**< likewise */
	int32_t flow_control_state;  /**< likewise */
	uint64_t flow_control_count; /**< likewise */
	uint32_t event_q_length;     /**< events the client has not taken yet */
};

/**
 * What the loop calls when a descriptor of the service is ready.
 *
 * @param fd       the descriptor
 * @param revents  poll(2)'s events
 * @param data     as given when the descriptor was added
 * @return         0 to stay in the loop; negative when the descriptor is gone from it
 */
typedef int32_t (*qb_ipcs_dispatch_fn_t)(int32_t fd, int32_t revents, void *data);

/**
 * Watch a descriptor, as qb_loop_poll_add() does.
 *
 * @param p       priority
 * @param fd      descriptor, which is not in the loop
 * @param events  POLLIN and so on; errors and hang-ups are to be reported always
 * @param data    for @p fn
 * @param fn      to be called once per round while the descriptor is ready
 * @return        0; a negative errno: the connection, or the service, does not come up
 */
typedef int32_t (*qb_ipcs_dispatch_add_fn)(enum qb_loop_priority p, int32_t fd, int32_t events,
					   void *data, qb_ipcs_dispatch_fn_t fn);

/**
 * Change what is watched, as qb_loop_poll_mod() does.
 *
 * @param p       new priority
 * @param fd      descriptor, which is in the loop
 * @param events  new events, POLLIN and so on
 * @param data    for @p fn
 * @param fn      new function
 * @return        0; a negative errno
 */
typedef int32_t (*qb_ipcs_dispatch_mod_fn)(enum qb_loop_priority p, int32_t fd, int32_t events,
					   void *data, qb_ipcs_dispatch_fn_t fn);

/**
 * Watch a descriptor no longer, as qb_loop_poll_del() does. Called always before the
 * descriptor is closed, also from its own dispatch function.
 *
 * @param fd  descriptor, which is in the loop
 * @return    0; a negative errno, which is ignored
 */
typedef int32_t (*qb_ipcs_dispatch_del_fn)(int32_t fd);

/**
 * Run a function once, soon, as qb_loop_job_add() does.
 *
 * @param p            priority
 * @param data         for @p dispatch_fn
 * @param dispatch_fn  to be called from the loop, not from here
 * @return             0; a negative errno
 */
typedef int32_t (*qb_ipcs_job_add_fn)(enum qb_loop_priority p, void *data,
				      qb_loop_job_dispatch_fn dispatch_fn);

/**
 * The application's poll loop, as a service sees it. The functions of qbloop.h fit in
 * after one line of glue each; so does any other loop with level-triggered polling.
 */
struct qb_ipcs_poll_handlers {
	/** May be NULL; then a closed callback is not called a second time. */
	qb_ipcs_job_add_fn job_add;
	qb_ipcs_dispatch_add_fn dispatch_add;
	qb_ipcs_dispatch_mod_fn dispatch_mod;
	qb_ipcs_dispatch_del_fn dispatch_del;
};

/**
 * A client asks to connect.
 *
 * The place for qb_ipcs_connection_auth_set() and qb_ipcs_context_set(). What is
 * allocated here must be freed in the destroyed callback: nothing else is certain to
 * follow. qb_ipcs_disconnect() is ignored here.
 *
 * @param c    connection
 * @param uid  the client's effective user id when it connected, from the kernel
 * @param gid  its effective group id, likewise
 * @return     0 to accept; anything else refuses, and the client gets the value,
 *             negated, as errno
 */
typedef int32_t (*qb_ipcs_connection_accept_fn)(qb_ipcs_connection_t *c, uid_t uid, gid_t gid);

/**
 * The connection is made; events may be sent from here on. qb_ipcs_disconnect() takes
 * effect when this returns, and closed is not called then.
 *
 * @param c  connection
 */
typedef void (*qb_ipcs_connection_created_fn)(qb_ipcs_connection_t *c);

/**
 * The connection is over; nothing can be sent any more.
 *
 * @param c  connection
 * @return   0 when done; anything else asks to be called again, from a job of
 *           QB_LOOP_LOW
 */
typedef int32_t (*qb_ipcs_connection_closed_fn)(qb_ipcs_connection_t *c);

/**
 * The last reference is gone; @p c is freed when this returns.
 *
 * @param c  connection
 */
typedef void (*qb_ipcs_connection_destroyed_fn)(qb_ipcs_connection_t *c);

/**
 * A request has come.
 *
 * @param c     connection; qb_ipcs_disconnect() is allowed
 * @param data  the request, starting with a struct qb_ipc_request_header; it may be written
 *              to, and is good until this returns; aligned as by malloc(). A private copy,
 *              but see qbipc_service_views_set() for requests of 16 KiB and more
 * @param size  bytes at @p data, already checked against the header; a zero byte follows
 * @return      0; a negative value means busy: this request counts as taken, the next
 *              ones wait for the service's next turn
 */
typedef int32_t (*qb_ipcs_msg_process_fn)(qb_ipcs_connection_t *c, void *data, size_t size);

/** The application's callbacks; any may be NULL. Without msg_process, requests are lost. */
struct qb_ipcs_service_handlers {
	qb_ipcs_connection_accept_fn connection_accept;
	qb_ipcs_connection_created_fn connection_created;
	qb_ipcs_msg_process_fn msg_process;
	qb_ipcs_connection_closed_fn connection_closed;
	qb_ipcs_connection_destroyed_fn connection_destroyed;
};

/**
 * Create a service that does not listen yet.
 *
 * @param name        what clients connect to
 * @param service_id  any number of the application's, see qb_ipcs_service_id_get()
 * @param type        how messages travel; a bad one is found by qb_ipcs_run()
 * @param handlers    callbacks; copied
 * @return            the service, with one reference that qb_ipcs_destroy() drops; or NULL
 *                    and errno:
 *                    EINVAL @p name is NULL;
 *                    ENOMEM there is no memory
 * @note              Threads: any.
 */
qb_ipcs_service_t *qb_ipcs_create(const char *name, int32_t service_id, enum qb_ipc_type type,
				  struct qb_ipcs_service_handlers *handlers);

/**
 * Take a reference.
 *
 * @param s  service
 * @note     Threads: any that holds a reference.
 */
void qb_ipcs_ref(qb_ipcs_service_t *s);

/**
 * Drop a reference. The service is freed with its last one; each connection holds one.
 *
 * @param s  service
 * @note     Threads: the one that runs the poll loop, since the last reference ends
 *           what is left of the service; before qb_ipcs_run(), any one thread.
 */
void qb_ipcs_unref(qb_ipcs_service_t *s);

/**
 * Give the service its poll loop; before qb_ipcs_run().
 *
 * @param s         service
 * @param handlers  the loop's functions; copied
 * @note            Threads: one at a time per service.
 */
void qb_ipcs_poll_handlers_set(qb_ipcs_service_t *s, struct qb_ipcs_poll_handlers *handlers);

/**
 * Keep a pointer of the application's with the service.
 *
 * @param s        service; NULL is ignored
 * @param context  any pointer; the library does not interpret it
 * @note           Threads: one at a time per service.
 */
void qb_ipcs_service_context_set(qb_ipcs_service_t *s, void *context);

/**
 * The application's pointer of a service.
 *
 * @param s  service
 * @return   what qb_ipcs_service_context_set() set last; NULL before
 * @note     Threads: one at a time per service.
 */
void *qb_ipcs_service_context_get(qb_ipcs_service_t *s);

/**
 * Start to listen.
 *
 * @param s  service. After a failure the creator's reference is gone: it must not be
 *           used again. If it runs already, the call fails, and the service keeps its
 *           reference and goes on
 * @return   0;
 *           -EINVAL @p s is NULL, poll handlers are missing, the type is unknown, or the
 *           name is empty or has a slash;
 *           -ENOTSUP the type is not supported;
 *           -EADDRINUSE the name is taken, or the service runs;
 *           -ENAMETOOLONG the name has more than 106 bytes;
 *           another negative errno of socket(2), bind(2), listen(2) or dispatch_add
 * @note     Threads: any one; from then on the service belongs to the thread that runs
 *           the poll loop.
 */
int32_t qb_ipcs_run(qb_ipcs_service_t *s);

/**
 * Disconnect all clients, stop listening and drop the creator's reference. Also for a
 * service that never ran.
 *
 * @param s  service
 * @note     Threads: the one that runs the poll loop; before qb_ipcs_run(), any one
 *           thread.
 */
void qb_ipcs_destroy(qb_ipcs_service_t *s);

/**
 * Set the priority of a service and how many requests one dispatch takes, for existing and
 * future connections.
 *
 * @param s   service, running or not
 * @param rl  rate
 * @note      Threads: the one that runs the poll loop; before qb_ipcs_run(), any one
 *            thread.
 */
void qb_ipcs_request_rate_limit(qb_ipcs_service_t *s, enum qb_ipcs_rate_limit rl);

/**
 * Send one response. Copies the message; never blocks.
 *
 * @param c     connection
 * @param data  message, starting with a struct qb_ipc_response_header
 * @param size  bytes at @p data, header included
 * @return      @p size;
 *              -EMSGSIZE it can never fit;
 *              -ENOBUFS there is no memory for so large a message, which may stay so;
 *              -EAGAIN no room now;
 *              -ENOTCONN the client is gone, or broke the protocol and is disconnected:
 *              the closed callback follows, or was called;
 *              -EINVAL an argument is NULL
 * @note        Threads: any that holds a reference; senders of one connection take
 *              turns.
 */
ssize_t qb_ipcs_response_send(qb_ipcs_connection_t *c, const void *data, size_t size);

/**
 * Send one response that lies in several places.
 *
 * @param c        connection
 * @param iov      pieces of the message, in order; empty ones are allowed
 * @param iov_len  pieces at @p iov, as many as you like
 * @return         as for qb_ipcs_response_send();
 *                 -EINVAL also for no pieces, or one of NULL that is not empty
 * @note           Threads: any that holds a reference; senders of one connection take
 *                 turns.
 */
ssize_t qb_ipcs_response_sendv(qb_ipcs_connection_t *c, const struct iovec *iov,
			       size_t iov_len);

/**
 * Queue one event for the client and wake it. Copies the message; never blocks.
 *
 * @param c     connection
 * @param data  message, starting with a struct qb_ipc_response_header
 * @param size  bytes at @p data, header included
 * @return      as for qb_ipcs_response_send()
 * @note        Threads: any that holds a reference; senders of one connection take
 *              turns.
 */
ssize_t qb_ipcs_event_send(qb_ipcs_connection_t *c, const void *data, size_t size);

/**
 * Queue one event that lies in several places.
 *
 * @param c        connection
 * @param iov      pieces of the message, in order; empty ones are allowed
 * @param iov_len  pieces at @p iov, as many as you like
 * @return         as for qb_ipcs_response_sendv()
 * @note           Threads: any that holds a reference; senders of one connection take
 *                 turns.
 */
ssize_t qb_ipcs_event_sendv(qb_ipcs_connection_t *c, const struct iovec *iov, size_t iov_len);

/**
 * Take a reference.
 *
 * @param c  connection
 * @note     Threads: any that holds a reference.
 */
void qb_ipcs_connection_ref(qb_ipcs_connection_t *c);

/**
 * Drop a reference; with the last one the destroyed callback runs.
 *
 * @param c  connection
 * @note     Threads: any that holds a reference; the destroyed callback runs in the one
 *           that drops the last.
 */
void qb_ipcs_connection_unref(qb_ipcs_connection_t *c);

/**
 * End a connection. Idempotent. The transport is closed at once; the memory of @p c is
 * freed with its last reference. Inside the accept callback the call does nothing; inside
 * the created callback it takes effect when that returns.
 *
 * @param c  connection
 * @note     Threads: the one that runs the poll loop.
 */
void qb_ipcs_disconnect(qb_ipcs_connection_t *c);

/**
 * The number that the application gave to the service of a connection.
 *
 * @param c  connection
 * @return   the service_id of qb_ipcs_create(); -EINVAL @p c is NULL
 * @note     Threads: any that holds a reference.
 */
int32_t qb_ipcs_service_id_get(qb_ipcs_connection_t *c);

/**
 * Keep a pointer of the application's with the connection.
 *
 * @param c        connection
 * @param context  any pointer; the library does not interpret it
 * @note           Threads: one at a time per connection.
 */
void qb_ipcs_context_set(qb_ipcs_connection_t *c, void *context);

/**
 * The application's pointer of a connection.
 *
 * @param c  connection
 * @return   what qb_ipcs_context_set() set last; NULL before
 * @note     Threads: one at a time per connection.
 */
void *qb_ipcs_context_get(qb_ipcs_connection_t *c);

/**
 * The application's pointer of the service of a connection.
 *
 * @param c  connection
 * @return   what qb_ipcs_service_context_set() set last; NULL before
 * @note     Threads: one at a time per connection.
 */
void *qb_ipcs_connection_service_context_get(qb_ipcs_connection_t *c);

/**
 * Read a connection's counters. qb_ipcs_connection_stats_get_2() has one more.
 *
 * @param c                 connection
 * @param stats             filled in
 * @param clear_after_read  not 0: start counting anew; client_pid stays
 * @return                  0; -EINVAL an argument is NULL
 * @note                    Threads: any that holds a reference.
 */
int32_t qb_ipcs_connection_stats_get(qb_ipcs_connection_t *c,
				     struct qb_ipcs_connection_stats *stats,
				     int32_t clear_after_read);

/**
 * Read a connection's counters into memory of their own.
 *
 * @param c                 connection
 * @param clear_after_read  not 0: start counting anew; client_pid stays
 * @return                  counters, to be given to free(3); NULL without a connection
 *                          or without memory
 * @note                    Threads: any that holds a reference.
 */
struct qb_ipcs_connection_stats_2 *qb_ipcs_connection_stats_get_2(qb_ipcs_connection_t *c,
								  int32_t clear_after_read);

/**
 * Read a service's counters.
 *
 * @param pt                service
 * @param stats             filled in
 * @param clear_after_read  not 0: count closed connections anew
 * @return                  0; -EINVAL an argument is NULL
 * @note                    Threads: any that holds a reference to the service.
 */
int32_t qb_ipcs_stats_get(qb_ipcs_service_t *pt, struct qb_ipcs_stats *stats,
			  int32_t clear_after_read);

/**
 * Start to walk the connected clients, the newest first: each from connection_created on
 * until connection_closed has returned 0.
 *
 * @param pt  service
 * @return    a connection with a new reference for the caller to drop; NULL when there
 *            is none
 * @note      Threads: the one that runs the poll loop.
 */
qb_ipcs_connection_t *qb_ipcs_connection_first_get(qb_ipcs_service_t *pt);

/**
 * Go on walking. @p current may be dropped before or after, as long as the caller holds
 * it during this call.
 *
 * @param pt       service
 * @param current  where the walk is
 * @return         as for qb_ipcs_connection_first_get()
 * @note           Threads: the one that runs the poll loop.
 */
qb_ipcs_connection_t *qb_ipcs_connection_next_get(qb_ipcs_service_t *pt,
						  qb_ipcs_connection_t *current);

/**
 * Set owner and mode of the files of a connection; in the accept callback only. Without
 * this call the client owns the files, with mode 0600. A client that could not open such
 * files does not get the descriptors of the native wire either.
 *
 * @param conn  connection
 * @param uid   owner, a user id; -1 leaves it
 * @param gid   group id; -1 leaves it
 * @param mode  permission bits
 * @note        Threads: the one that runs the poll loop, inside the accept callback.
 */
void qb_ipcs_connection_auth_set(qb_ipcs_connection_t *conn, uid_t uid, gid_t gid, mode_t mode);

/**
 * The size both ends agreed on when they connected.
 *
 * @param conn  connection
 * @return      bytes of the largest message either way, headers included;
 *              -EINVAL @p conn is NULL
 * @note        Threads: any that holds a reference.
 */
int32_t qb_ipcs_connection_get_buffer_size(qb_ipcs_connection_t *conn);

/**
 * Make connections at least this large, whatever the client asks for. For connections
 * made later.
 *
 * @param s             service, running or not
 * @param max_buf_size  bytes; what is above 2^30 counts as that
 * @note                Threads: the one that runs the poll loop; before qb_ipcs_run(),
 *                      any one thread.
 */
void qb_ipcs_enforce_buffer_size(qb_ipcs_service_t *s, uint32_t max_buf_size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
