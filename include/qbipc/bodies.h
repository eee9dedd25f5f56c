/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file bodies.h
 * Messages beyond the agreed size: bodies.
 *
 * The size that a client agrees on with its service is memory for each connection, in each
 * direction. For the few messages that are larger, both ends can take bodies: the ordinary
 * calls send them, qb_ipcc_send(), qb_ipcs_response_send() and qb_ipcs_event_send() with their
 * v forms, and msg_process, qb_ipcc_recv() and qb_ipcc_event_recv() get them as one message, in
 * private memory.
 *
 * Nobody gets bodies who has not asked for them: a service says up to which size it takes and
 * sends them, a client what it takes. Programs that say nothing work as before. On libqb's wire
 * there are none, and sends of more than the agreed size fail with -EMSGSIZE.
 *
 * A body travels in pieces, through the memory or the sockets that the connection has. One is
 * under way at a time per connection and direction, events apart from responses, and messages
 * keep their order. An end that dies in the middle leaves nothing behind at the other end.
 */
#ifndef QBIPC_BODIES_H_DEFINED
#define QBIPC_BODIES_H_DEFINED

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A limit for programs that have no reason for another one: 64 MiB. */
#define QBIPC_BODY_LIMIT (64u << 20)

/**
 * Say up to which size a service takes and sends bodies.
 *
 * A request of such a size is put together in private memory, with a zero behind it, while
 * other clients are served; then msg_process gets it, and it is good until that returns. A
 * response or event never waits for its client: what the client has no room for is copied and
 * sent while the loop runs. Meanwhile further responses (events) to this client get -EAGAIN,
 * and qbipc_service_writable_set() applies. What is copied or has come counts for the client's
 * user as its connections do, memory_per_uid of struct qbipc_service_limits: a client that
 * sends more is disconnected, a send beyond it fails with -ENOBUFS, and
 * qbipc_service_writable_set() applies to it if it can ever be within the quota. When a
 * connection ends, what was not sent is lost.
 *
 * @param s      service
 * @param bytes  of the largest body; 0 (the default): none
 * @return       0; -EINVAL for a NULL service or more than 2^30
 * @note         Holds for connections made afterwards.
 * @note         Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_body_limit_set(qb_ipcs_service_t *s, size_t bytes);

/**
 * The largest message that can be sent to a client as it is now: the agreed size, or the
 * largest body that both ends allow.
 *
 * @param c  connection
 * @return   bytes; -EINVAL for a NULL connection; -ENOTCONN it has ended
 * @note     Threads: any that holds a reference.
 */
ssize_t qbipc_connection_body_limit_get(qb_ipcs_connection_t *c);

/**
 * Say up to which size a client takes bodies, for what its server sends from now on. A body that
 * the server has begun before comes all the same.
 *
 * qb_ipcc_recv() and qb_ipcc_event_recv() need a buffer for the whole; with a smaller one they
 * say -ENOBUFS and the message stays, to be fetched with a larger one. They can say so when a
 * part of it has come: with the larger one, the rest is waited for. Where a part of a body has
 * come, the descriptor of qb_ipcc_fd_get() can be readable though there is no event yet: then
 * qb_ipcc_event_recv() takes what is there and says -EAGAIN.
 *
 * @param c      connection, established
 * @param bytes  of the largest body; 0 (the default): none
 * @return       0; -EINVAL for a NULL connection, one that is not established, or more than
 *               2^30; -EAGAIN no room now to tell the server; -ENOTCONN the server is gone
 * @note         Threads: any.
 */
int qbipc_body_limit_set(qb_ipcc_connection_t *c, size_t bytes);

/**
 * The largest request that a client can send: the agreed size, or the largest body that the
 * server takes.
 *
 * The send of a body waits while the server takes it, until its own time limit, for two seconds
 * if it has none, or until the server has taken nothing for half a second. If a part of it is
 * under way then, it succeeds, the rest is copied, and later calls for this connection send it:
 * each that sends or receives, and qbipc_calls_dispatch(). Disconnecting before that loses the
 * body. Until it is out other requests get -EAGAIN. A request of qbipc_call_send() does not wait
 * at all; one that is a body has no deadline at the server (qbipc_request_deadline()), and no
 * cancel. After fork(2) the process that began a body sends the rest: as long as it lives,
 * requests of the others get -EAGAIN until the body is out, and -ENOTCONN if it ended or
 * disconnected before that.
 *
 * @param c  connection, established
 * @return   bytes; -EINVAL for a NULL connection or one that is not established
 * @note     Threads: any.
 */
ssize_t qbipc_body_limit_get(qb_ipcc_connection_t *c);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
