/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file reserve.h
 * Messages that are built where the other end reads them.
 *
 * A message that is sent is copied into the queue first. One that is large can be built there
 * instead: reserve its place, fill it, and commit it.
 *
 * @code{.c}
 *   struct image_response *r;
 *   void *place;
 *
 *   if (qbipc_response_reserve(c, sizeof(*r) + size, &place) == 0) {
 *           r = place;
 *           r->header.id = ID_IMAGE;
 *           r->header.error = 0;
 *           r->header.size = (int32_t)(sizeof(*r) + size);
 *           image_render(r->pixels, size);
 *           qbipc_response_commit(c, sizeof(*r) + size);
 *   }
 * @endcode
 *
 * It works on every connection, and is the same to the receiver. Over native shared memory
 * there is no copy; over sockets, on libqb's wire and where memory is locked the place is
 * private memory, which is copied by the commit.
 *
 * * A place is aligned to 8 and holds anything before. Fill it and do not read it: the other
 *   end can look at it at any time, and the one of a request it can change.
 * * One message at a time is reserved in each direction: requests, responses, events. A
 *   second reservation is refused with -EBUSY. Until the commit or the abandon, other sends
 *   in that direction return -EAGAIN, because they would come behind it.
 * * It does not end by itself. The reservation of a client ends with its connection: after
 *   qb_ipcc_disconnect() the place is gone. That of a server keeps its connection in memory,
 *   as a reference does, so that the place stays valid when the client leaves.
 * * After fork(2) it belongs to the process that made it. To a child it does not exist;
 *   while the parent of a client has one, the child cannot send (-EAGAIN).
 * * Write the header's size before the commit: it is the committed size, neither more nor less.
 *   The commit does not look at it. A server drops the client of a request that is shorter than
 *   its header says, and logs that; of a longer one it takes what the header says, and 0 is a
 *   goodbye. A response or an event arrives as it is.
 * * A request that is built in place is none of qbipc_call_send(). While one is reserved, that
 *   returns -EAGAIN, and so does qb_ipcc_sendv_recv() where responses are matched with requests
 *   (qbipc/call.h); calls that are under way go on. Once it is committed, its response belongs
 *   to qb_ipcc_recv(): receive it before the next call is sent.
 * * Only the commit sends. A thread that is cancelled in between leaves the reservation open.
 */
#ifndef QBIPC_RESERVE_H_DEFINED
#define QBIPC_RESERVE_H_DEFINED

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * Reserve the place of a request.
 *
 * Waits no longer than qb_ipcc_send() does.
 *
 * @param c      connection
 * @param size   bytes of the request at most, header included
 * @param place  on success, where to build it
 * @return       0; -EAGAIN no room, or flow control; -EBUSY one is reserved already;
 *               -EMSGSIZE larger than agreed; -ENOTCONN the server is gone; -ENOMEM no memory;
 *               -EINVAL an argument is NULL, or the connection is not established
 * @note         Threads: as qb_ipcc_send(). The place may be filled and committed by another
 *               thread.
 */
int qbipc_request_reserve(qb_ipcc_connection_t *c, size_t size, void **place);

/**
 * Send the request that was built. It is as one of qb_ipcc_send() then.
 *
 * @param c     connection
 * @param size  bytes that it has, at most those reserved; the size in its header
 * @return      the size; -EMSGSIZE more than was reserved, and -EAGAIN no room in a socket:
 *              it stays reserved; -ENOTCONN the other end is gone, and the reservation is
 *              over; -EINVAL nothing is reserved
 * @note        Threads: one at a time for a reservation.
 */
ssize_t qbipc_request_commit(qb_ipcc_connection_t *c, size_t size);

/**
 * Give the place back without sending anything.
 *
 * @param c  connection
 * @return   0; -EINVAL nothing is reserved
 * @note     Threads: one at a time for a reservation.
 */
int qbipc_request_abandon(qb_ipcc_connection_t *c);

/**
 * Reserve the place of a response.
 *
 * Never blocks. Where qbipc_service_writable_set() is in use, -EAGAIN is followed by its
 * callback as that of a send is; so is -EAGAIN of the commit.
 *
 * @param c      connection; the caller holds a reference
 * @param size   bytes of the response at most, header included
 * @param place  on success, where to build it; valid until the commit or the abandon, also if
 *               the connection ends
 * @return       0; -EAGAIN no room; -EBUSY one is reserved already; -EMSGSIZE larger than
 *               agreed; -ENOTCONN the connection is over; -ENOMEM no memory; -EINVAL an
 *               argument is NULL
 * @note         Threads: as qb_ipcs_response_send(). The place may be filled and committed
 *               by another thread.
 */
int qbipc_response_reserve(qb_ipcs_connection_t *c, size_t size, void **place);

/**
 * Send the response that was built. It is as one of qb_ipcs_response_send() then.
 *
 * What the reservation keeps in memory is given back: connection_destroyed may run here.
 *
 * @param c     connection
 * @param size  bytes that it has, at most those reserved; the size in its header
 * @return      the size; -EMSGSIZE more than was reserved, and -EAGAIN no room in a socket:
 *              it stays reserved; -ENOTCONN the other end is gone, and the reservation is
 *              over; -EINVAL nothing is reserved
 * @note        Threads: one at a time for a reservation.
 */
ssize_t qbipc_response_commit(qb_ipcs_connection_t *c, size_t size);

/**
 * Give the place of a response back without sending anything. As in a commit,
 * connection_destroyed may run.
 *
 * @param c  connection
 * @return   0; -EINVAL nothing is reserved
 * @note     Threads: one at a time for a reservation.
 */
int qbipc_response_abandon(qb_ipcs_connection_t *c);

/**
 * Reserve the place of an event.
 *
 * Never blocks. Where qbipc_service_writable_set() is in use, -EAGAIN is followed by its
 * callback as that of a send is; so is -EAGAIN of the commit.
 *
 * @param c      connection; the caller holds a reference
 * @param size   bytes of the event at most, header included
 * @param place  on success, where to build it; valid until the commit or the abandon, also if
 *               the connection ends
 * @return       0; -EAGAIN no room; -EBUSY one is reserved already; -EMSGSIZE larger than
 *               agreed; -ENOTCONN the connection is over; -ENOMEM no memory; -EINVAL an
 *               argument is NULL
 * @note         Threads: as qb_ipcs_event_send(). The place may be filled and committed
 *               by another thread.
 */
int qbipc_event_reserve(qb_ipcs_connection_t *c, size_t size, void **place);

/**
 * Send the event that was built. It is as one of qb_ipcs_event_send() then.
 *
 * What the reservation keeps in memory is given back: connection_destroyed may run here.
 *
 * @param c     connection
 * @param size  bytes that it has, at most those reserved; the size in its header
 * @return      the size; -EMSGSIZE more than was reserved, and -EAGAIN no room in a socket:
 *              it stays reserved; -ENOTCONN the other end is gone, and the reservation is
 *              over; -EINVAL nothing is reserved
 * @note        Threads: one at a time for a reservation.
 */
ssize_t qbipc_event_commit(qb_ipcs_connection_t *c, size_t size);

/**
 * Give the place of an event back without sending anything. As in a commit,
 * connection_destroyed may run.
 *
 * @param c  connection
 * @return   0; -EINVAL nothing is reserved
 * @note     Threads: one at a time for a reservation.
 */
int qbipc_event_abandon(qb_ipcs_connection_t *c);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
