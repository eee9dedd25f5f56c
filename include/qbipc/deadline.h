/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file deadline.h
 * Until when a client waits for its response, and that it does not wait any more: so a server
 * need not begin, or go on with, what nobody waits for.
 *
 * @code{.c}
 *   static int32_t msg_process(qb_ipcs_connection_t *c, void *data, size_t size)
 *   {
 *           job_begin(c, qbipc_request_number(c), qbipc_request_deadline(c), data, size);
 *           return 0;
 *   }
 *
 *   static void cancelled(qb_ipcs_connection_t *c, uint64_t number, void *data)
 *   {
 *           job_give_up(c, number);        if it is not done already
 *   }
 *
 *   qbipc_service_cancelled_set(service, cancelled, NULL);
 * @endcode
 *
 * A request has a deadline if its client sent it with qbipc_call_send() and a time, or with
 * qb_ipcc_sendv_recv() on a connection whose responses are matched with requests
 * (qbipc/call.h), and if the connection uses the native wire. A client that gives up such a
 * request, because it cancels the call or because the time is over, cancels it at the server:
 *
 *   - Over shared memory, a request that the server has not taken yet has the deadline
 *     #QBIPC_DEADLINE_CANCELLED when it is taken.
 *   - Otherwise the function of qbipc_service_cancelled_set() is called. Over sockets that
 *     is so for each request, because nobody can reach what waits in a socket: the cancel
 *     comes behind it.
 *
 * The client counts on a response to each request nevertheless, in their order, and throws
 * away that of a request which it has given up. So such a request is answered too, by
 * anything; for instance by a header with an error. An answer that was deferred and finds no
 * room (-EAGAIN) is kept, with those behind it, and sent again when there is room
 * (qbipc_service_writable_set()). What the library refuses by itself it answers at once, before
 * the answers that are deferred: see qbipc/handlers.h.
 *
 * A server that asks another one for the answer passes the deadline on as the time of its own
 * call:
 *
 * @code{.c}
 *   uint64_t deadline = qbipc_request_deadline(c);
 *   int64_t left = -1;
 *   struct timespec now;
 *
 *   clock_gettime(CLOCK_MONOTONIC, &now);
 *   if (deadline)
 *           left = ((int64_t)deadline - now.tv_nsec) / 1000000 - now.tv_sec * 1000;
 *   if (deadline && left <= 0)
 *           answer(c, -ETIMEDOUT);
 *   else
 *           qbipc_call_send(other, &iov, 1, left > INT_MAX ? INT_MAX : (int)left, done, job);
 * @endcode
 *
 * On libqb's wire no request has a deadline, and none is cancelled. Times are those of
 * CLOCK_MONOTONIC, which is the same for all processes, except for those in a time namespace
 * of their own (time_namespaces(7)).
 */
#ifndef QBIPC_DEADLINE_H_DEFINED
#define QBIPC_DEADLINE_H_DEFINED

#include <qb/qbipcs.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The deadline of a request that was cancelled before the server took it. */
#define QBIPC_DEADLINE_CANCELLED 1u

/**
 * Until when does the client wait for the response to the request that is processed? It is
 * what the client says: it can be any number.
 *
 * @param c  connection, inside msg_process, a handler or what chooses and refuses messages
 * @return   nanoseconds of CLOCK_MONOTONIC; #QBIPC_DEADLINE_CANCELLED, which is in the past,
 *           if nobody waits any more; 0 without a deadline, outside of these functions, and
 *           for NULL
 * @note     Threads: the dispatching thread.
 */
uint64_t qbipc_request_deadline(qb_ipcs_connection_t *c);

/**
 * The number of the request that is processed, or was last. The requests of a connection
 * count from 0, all of them, in the order in which they were sent.
 *
 * @param c  connection
 * @return   the number; UINT64_MAX before the first request, and for NULL
 * @note     A process that continues as a server after fork(2) goes on from the number at
 *           that moment.
 * @note     Threads: the dispatching thread.
 */
uint64_t qbipc_request_number(qb_ipcs_connection_t *c);

/**
 * A request is cancelled that was taken before. It may have been answered meanwhile, and a
 * client that errs can cancel one twice. The function may do all that msg_process may.
 *
 * @param c       connection
 * @param number  of the request, see qbipc_request_number()
 * @param data    of qbipc_service_cancelled_set()
 */
typedef void (*qbipc_cancelled_fn)(qb_ipcs_connection_t *c, uint64_t number, void *data);

/**
 * Be told of cancelled requests, for a service that answers later than in msg_process. A
 * cancel counts as a request in the limits of what is done for one client at a time, but not
 * in statistics.
 *
 * @param s     service
 * @param fn    called by the dispatch that takes the cancel; NULL: none any more
 * @param data  passed to @p fn
 * @return      0; -EINVAL for a NULL service
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_cancelled_set(qb_ipcs_service_t *s, qbipc_cancelled_fn fn, void *data);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
