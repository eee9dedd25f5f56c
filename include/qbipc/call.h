/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file call.h
 * Requests whose responses are handed over in an event loop: a client that may not block
 * sends any number of them and goes on.
 *
 * @code{.c}
 *   static void answered(qb_ipcc_connection_t *c, int error, void *response, size_t size,
 *                        void *data)
 *   {
 *           if (error)
 *                   fprintf(stderr, "no response: %s\n", strerror(-error));
 *           else
 *                   use(response, size);
 *   }
 *
 *   qbipc_call_send(c, &iov, 1, 1000, answered, NULL);
 *   ...
 *   fd = qbipc_calls_fd(c);        watch it for POLLIN, in any loop
 *   qbipc_calls_dispatch(c);       when it is readable
 * @endcode
 *
 * Servers of libqb answer calls too. Where both ends use this library and the native wire, the
 * server is told until when a call waits, and that it is cancelled or its time is over
 * (qbipc/deadline.h); it may ignore that.
 *
 * A server answers each request that is sent as a call once, in the order in which they came.
 * The first response belongs to the oldest request, and so on. A call that was cancelled, or
 * whose time is over, keeps its place: its response, when it comes, is thrown away and never
 * given to the next call. So a request that a server never answers is none to be sent as a
 * call; send it with qb_ipcc_send(), which does not wait for a response.
 *
 * A server that leaves out a response, or sends one out of order, shifts all that follow: each
 * call gets the response to another one. Nothing in a response says so. A client that does not
 * know its server puts a number into each request, which the response repeats, and compares
 * it. If they differ, or if several calls in a row have timed out, it disconnects and connects
 * again: nothing is shifted on the new connection.
 *
 * From the first call on, or after qbipc_late_responses_drop(), this holds for all responses
 * of the connection:
 *
 *   - qb_ipcc_sendv_recv() takes its place in the same order. It may be used between calls,
 *     inside their functions, and by any number of other threads: each gets its own
 *     response, and the others get theirs meanwhile. The server is told its time, and that it
 *     is over, as of a call.
 *   - qb_ipcc_recv() gets what no request of a call or of qb_ipcc_sendv_recv() awaits: it
 *     waits until none is under way. Do not send calls between qb_ipcc_send() and
 *     qb_ipcc_recv(): the response would be theirs.
 *   - A response that has come before its request was sent is none, and is thrown away.
 *   - A request for which there is no room is refused with -EAGAIN at once.
 *   - A thread that waits in one of these functions must not leave it by siglongjmp, unless
 *     no other thread uses the connection.
 *   - fork(2): calls are the parent's; no function is called for them in the child, which
 *     may make its own.
 */
#ifndef QBIPC_CALL_H_DEFINED
#define QBIPC_CALL_H_DEFINED

#include <qb/qbipcc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * A call is done. It may do everything: send and cancel calls, wait in
 * qb_ipcc_sendv_recv(), dispatch, disconnect.
 *
 * @param c         connection
 * @param error     0: this is the response; -ETIMEDOUT its time is over; -ENOTCONN the server
 *                  is gone; -ECANCELED by qbipc_call_cancel() or qb_ipcc_disconnect();
 *                  -ENOMEM there was no memory for the response
 * @param response  what the server sent, good until this returns; NULL with an error
 * @param size      bytes at @p response
 * @param data      of qbipc_call_send()
 */
typedef void (*qbipc_call_fn)(qb_ipcc_connection_t *c, int error, void *response, size_t size,
			      void *data);

/**
 * Send a request and have a function called with its response. Never waits. A call that was
 * sent is done exactly once: if the server is gone all are, in their order.
 *
 * There is no queue for requests in the library: if the server's is full, this is -EAGAIN,
 * and the time to try again is when the next call is done.
 *
 * @param c           connection
 * @param iov         pieces of the request, which begins with a
 *                    struct qb_ipc_request_header; {NULL, 0} is allowed; copied
 * @param iov_len     number of pieces, 1 or more
 * @param timeout_ms  milliseconds until the call is done with -ETIMEDOUT; 0: at the next
 *                    dispatch; negative: never
 * @param fn          called by qbipc_calls_dispatch(), never inside this; NULL: the
 *                    response is thrown away
 * @param data        passed to @p fn
 * @return            a number above 0 for qbipc_call_cancel(), which is used once; or a
 *                    negative errno, and @p fn is not called: -EAGAIN no room now, the
 *                    server asks to stop, or a million calls have no response; -EMSGSIZE the
 *                    request is larger than this connection can carry; -ENOTCONN the
 *                    server is gone; -EINVAL bad arguments, or the connection is not
 *                    established; -EMFILE, -ENFILE the first call needs two descriptors;
 *                    -ENOMEM; -ENOBUFS as qb_ipcc_send()
 * @note              Threads: any; the call may be done before this returns, if another
 *                    thread dispatches.
 */
int64_t qbipc_call_send(qb_ipcc_connection_t *c, const struct iovec *iov, size_t iov_len,
			int timeout_ms, qbipc_call_fn fn, void *data);

/**
 * Cancel a call. Its function is called with -ECANCELED before this returns. The request
 * stays sent: the server may serve it, and its response is thrown away. The server is told,
 * as soon as there is room for that; of more than 1,024 such calls at a time, it is not.
 *
 * @param c     connection
 * @param call  number of qbipc_call_send(); one that is done does no harm
 * @return      0; -ENOENT no such call is under way; -EINVAL without a connection
 * @note        Threads: the one that dispatches.
 */
int qbipc_call_cancel(qb_ipcc_connection_t *c, int64_t call);

/**
 * The descriptor that is readable when qbipc_calls_dispatch() is to be called. It is an epoll
 * of the library, level-triggered; poll it, or put it into any loop, for POLLIN.
 *
 * It is readable now and then although nothing is to be done, and quiet when no call is under
 * way and the server has been told of all that were cancelled. On libqb's wire no descriptor
 * reports the responses in shared memory: there, while calls are under way, the descriptor is
 * readable at intervals, which grow with the time since the last response, from 0.1 ms to 10
 * ms.
 *
 * @param c     connection
 * @return      the descriptor, the same until qb_ipcc_disconnect(), which closes it: take it
 *              out of the loop before; or -EINVAL no connection, or not established; -EMFILE,
 *              -ENFILE it takes two descriptors; -ENOMEM
 * @note        In a child of fork(2) ask for it again.
 * @note        Threads: any.
 */
int qbipc_calls_fd(qb_ipcc_connection_t *c);

/**
 * Receive the responses that have come and call the functions of the calls that are done, at
 * most 64 of each. Never waits. Responses that have come count before times that are over.
 *
 * @param c     connection
 * @return      the number of functions called; -EINVAL no connection, or not established;
 *              -ENOMEM, or what the kernel says, when it cannot receive now: try again
 * @note        Threads: one at a time; a function may dispatch as well.
 */
int qbipc_calls_dispatch(qb_ipcc_connection_t *c);

/**
 * Have qb_ipcc_sendv_recv() of a connection never return the response to an earlier request:
 * when its time is over, the response that comes later is thrown away. Without this it is
 * libqb's: the next call gets it. For calls it is always so.
 *
 * Set it right after connecting, for servers that answer every request: when one remains
 * without a response, the next response is taken for it. It cannot be undone.
 *
 * @param c     connection
 * @return      0; -EINVAL no connection, or not established; -ENOMEM
 * @note        Threads: any.
 */
int qbipc_late_responses_drop(qb_ipcc_connection_t *c);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
