/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file events.h
 * Events and responses to clients that are slower than the service: a callback when there
 * is room again, and a broadcast, that is, one event for all clients.
 *
 * A send that finds no room returns -EAGAIN. With a function set by
 * qbipc_service_writable_set() the service need not sleep, spin or disconnect the client. A
 * service that keeps the newest state for each of its clients, for instance, needs no
 * queue:
 *
 * @code{.c}
 *   static void send_state(qb_ipcs_connection_t *c, void *data)
 *   {
 *           struct client *client = qb_ipcs_context_get(c);
 *
 *           client->stale = qb_ipcs_event_send(c, &state, sizeof(state)) == -EAGAIN;
 *   }
 *
 *   static void on_missed(qb_ipcs_connection_t *c, int error, void *data)
 *   {
 *           struct client *client = qb_ipcs_context_get(c);
 *
 *           client->stale = error == -EAGAIN;
 *   }
 *
 *   qbipc_service_writable_set(service, send_state, NULL);
 *   ...
 *   qbipc_service_broadcast(service, &iov, 1, on_missed, NULL);
 * @endcode
 */
#ifndef QBIPC_EVENTS_H_DEFINED
#define QBIPC_EVENTS_H_DEFINED

#include <qb/qbipcs.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * There is room again for what was refused. It may do all that msg_process may: send,
 * disconnect this or any other client, destroy the service.
 *
 * @param c     connection that refused a message with -EAGAIN
 * @param data  of qbipc_service_writable_set()
 */
typedef void (*qbipc_writable_fn)(qb_ipcs_connection_t *c, void *data);

/**
 * Set a function that is called when a connection can take messages again (back-pressure).
 *
 * After qb_ipcs_event_send() or qb_ipcs_response_send(), their v forms or
 * qbipc_service_broadcast() said -EAGAIN for a connection, or -ENOBUFS because of the quota for
 * a body (<qbipc/bodies.h>), @p fn is called as soon as
 * there is room for that message; if several were refused meanwhile, for the smallest.
 * It is called once, and again only after another refusal; refusals of responses and of
 * events are told separately. A message that is sent then may still be refused, when
 * another thread was faster or the system is out of memory, and @p fn will be called
 * again. It is never called inside a send, nor once the connection is disconnected.
 *
 * Clients do not announce that they have read a message. For sockets the kernel notifies
 * the service. Rings in shared memory are checked after 1 ms, and then at growing intervals
 * of up to 100 ms while the client reads nothing. When no connection waits for room, this
 * costs nothing.
 *
 * @param s     service
 * @param fn    called by the thread that dispatches the service; NULL: no function any more
 * @param data  passed to @p fn
 * @return      0; -EINVAL without a service
 * @note        Holds for refusals from now on.
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_writable_set(qb_ipcs_service_t *s, qbipc_writable_fn fn, void *data);

/**
 * A connection did not take a broadcast event. It may do all that msg_process may, also
 * disconnect this or any other client or destroy the service: the broadcast goes on with
 * those that are left.
 *
 * @param c      connection
 * @param error  -EAGAIN no room now, and qbipc_service_writable_set() applies; -EMSGSIZE
 *               more than this client agreed to; -ENOBUFS no memory for so much;
 *               -ENOTCONN it is gone, and connection_closed follows; another -errno
 * @param data   of qbipc_service_broadcast()
 */
typedef void (*qbipc_missed_fn)(qb_ipcs_connection_t *c, int error, void *data);

/**
 * Send one event to all connections of a service, the newest first.
 *
 * The pieces are copied once for each connection, straight to where the client reads
 * them. Never blocks. Connections for which connection_created has not begun, or that
 * are disconnected, are passed over in silence, and so are those made by @p fn.
 *
 * @param s        service
 * @param iov      pieces of the event, which begins with a struct
 *                 qb_ipc_response_header; {NULL, 0} is allowed
 * @param iov_len  number of pieces, 1 or more
 * @param fn       called at once for each connection that did not take it; may be NULL
 * @param data     passed to @p fn
 * @return         number of connections that took it; -EINVAL bad arguments; -EMSGSIZE
 *                 the sizes have no sum
 * @note           Threads: the dispatching thread.
 */
int qbipc_service_broadcast(qb_ipcs_service_t *s, const struct iovec *iov, size_t iov_len,
			    qbipc_missed_fn fn, void *data);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
