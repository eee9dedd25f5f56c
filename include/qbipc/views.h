/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file views.h
 * Large messages where they lie, without a copy.
 *
 * A request over shared memory lies in memory that its client can still write. So a server
 * copies it before anything looks at it, which takes most of the time of a message of 100 KiB
 * and more. A client that could do as it likes with the server in other ways is not kept out
 * by that; its large requests, of 16 KiB and more, are handed to the application in place.
 *
 * A client that trusts its server looks at responses and events in the same way:
 *
 * @code{.c}
 *   const struct image_response *r;
 *   const void *message;
 *   ssize_t size = qbipc_response_view(c, &message, -1);
 *
 *   if (size >= (ssize_t)sizeof(*r)) {
 *           r = message;
 *           image_show(r->pixels, (size_t)size - sizeof(*r));
 *   }
 *   if (size >= 0)
 *           qbipc_response_release(c);
 * @endcode
 */
#ifndef QBIPC_VIEWS_H_DEFINED
#define QBIPC_VIEWS_H_DEFINED

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Whose large requests are handed out in memory that the client can still write. */
enum qbipc_views {
	/**
	 * Of clients that are root or the server's own user, in the user namespace of the
	 * server (the default). What cannot be found out about a client is not assumed: where
	 * there is no /proc, or the server may not look at the process there, it is not trusted.
	 */
	QBIPC_VIEWS_TRUSTED = 0,
	/** Of nobody: each request is a private copy. */
	QBIPC_VIEWS_NEVER = 1,
	/**
	 * Of every client. The application then reads each byte of a large request once and
	 * checks what it has read, because a hostile client changes it in between.
	 */
	QBIPC_VIEWS_ALWAYS = 2,
};

/**
 * Say of which clients a service gets large requests in place.
 *
 * What a handler gets is the same as otherwise: in one piece, writable, with a size that was
 * checked, a zero byte behind it and good until it returns, also if it ends the connection.
 * The differences, for requests of 16 KiB and more over shared memory:
 *
 * * the client can change it while the handler runs, its header too;
 * * the client gets its room when the handler has returned, so a handler that runs its poll
 *   loop keeps the client from sending more than fits besides;
 * * on libqb's wire it is aligned to 8 bytes, and the zero is there until the client queues
 *   its next request; a client that truncates the file makes it all zeros for the thread of the
 *   handler, and ends a process whose other threads look at it (SIGBUS). System calls on
 *   it then fail with EFAULT.
 *
 * @param s      service
 * @param views  of which clients
 * @return       0; -EINVAL for a NULL service or any other value
 * @note         Holds for connections made afterwards.
 * @note         Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_views_set(qb_ipcs_service_t *s, enum qbipc_views views);

/**
 * Look at the next response where it lies, without a copy.
 *
 * Over native shared memory the server can change it meanwhile; so this is for a client that
 * trusts its server, or reads each byte once and checks what it has read. It is a private copy
 * over sockets, on libqb's wire, where memory is locked, and where responses are matched with
 * requests (qbipc/call.h).
 *
 * One response at a time is looked at. Meanwhile qb_ipcc_recv() gets those that come
 * behind it, but their room is free only when this one is released: a client that keeps it long
 * stops its server. After fork(2) it is no response of the child; until the parent has released
 * it, a child receives none (-EBUSY).
 *
 * @param c           connection
 * @param message     on success, the response: read-only, aligned to 8, valid until
 *                    qbipc_response_release() or qb_ipcc_disconnect()
 * @param ms_timeout  milliseconds, as of qb_ipcc_recv()
 * @return            bytes of it; -EBUSY one is looked at, or another thread waits
 *                    for one here; -ETIMEDOUT none came in time;
 *                    -ENOTCONN the server is gone; -ENOMEM no memory; -EINVAL an argument is
 *                    NULL, or the connection is not established
 * @note              Threads: any; it takes turns with those that receive.
 */
ssize_t qbipc_response_view(qb_ipcc_connection_t *c, const void **message, int32_t ms_timeout);

/**
 * The response is not looked at any more.
 *
 * @param c  connection
 * @return   0; -EINVAL none is looked at
 * @note     Threads: any.
 */
int qbipc_response_release(qb_ipcc_connection_t *c);

/**
 * Look at the next event where it lies, without a copy.
 *
 * Over native shared memory the server can change it meanwhile; so this is for a client that
 * trusts its server, or reads each byte once and checks what it has read. Over sockets, on
 * libqb's wire and where memory is locked, it is a private copy.
 *
 * One event at a time is looked at. Meanwhile qb_ipcc_event_recv() gets those that come
 * behind it, but their room is free only when this one is released: a client that keeps it long
 * stops its server. After fork(2) it is no event of the child; until the parent has released
 * it, a child receives none (-EBUSY).
 *
 * @param c           connection
 * @param message     on success, the event: read-only, aligned to 8, valid until
 *                    qbipc_event_release() or qb_ipcc_disconnect()
 * @param ms_timeout  milliseconds, as of qb_ipcc_event_recv()
 * @return            bytes of it; -EBUSY one is looked at, or another thread waits
 *                    for one here; -EAGAIN none came in time;
 *                    -ENOTCONN the server is gone; -ENOMEM no memory; -EINVAL an argument is
 *                    NULL, or the connection is not established
 * @note              Threads: any; it takes turns with those that receive.
 */
ssize_t qbipc_event_view(qb_ipcc_connection_t *c, const void **message, int32_t ms_timeout);

/**
 * The event is not looked at any more.
 *
 * @param c  connection
 * @return   0; -EINVAL none is looked at
 * @note     Threads: any.
 */
int qbipc_event_release(qb_ipcc_connection_t *c);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
