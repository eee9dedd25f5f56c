/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file connect.h
 * Connecting within a time limit.
 *
 * The other calls of a client with a time limit (qb_ipcc_recv(), qb_ipcc_event_recv(),
 * qb_ipcc_sendv_recv()) keep it, whatever the server does. Calls without one are bounded as
 * well: qb_ipcc_send() waits for at most half a second if the server leaves its wake-ups
 * unread, for two seconds if it takes a body little by little (<qbipc/bodies.h>), and
 * qb_ipcc_disconnect() waits for the kernel only, to unmap shared memory.
 */
#ifndef QBIPC_CONNECT_H_DEFINED
#define QBIPC_CONNECT_H_DEFINED

#include <qb/qbipcc.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * Connect to a service as qb_ipcc_connect() does, within a time limit for everything: for a
 * place in the queue of a server that does not accept clients, and for its complete answer.
 *
 * @param name          of the service
 * @param max_msg_size  largest message in bytes that is to be sent or received
 * @param timeout_ms    milliseconds; 0: do not wait at all, which tells only whether a
 *                      process listens; negative: wait for ever
 * @return              the connection, to be ended with qb_ipcc_disconnect(); NULL and
 *                      errno: ETIMEDOUT the time is over: the server exists, but did not
 *                      accept or answer; ECONNREFUSED no process listens at that name;
 *                      ENOENT the same with filesystem sockets; ECONNRESET the server went
 *                      away meanwhile; EINVAL or ENAMETOOLONG a bad name; EMSGSIZE a size
 *                      beyond what can be agreed; EBADMSG the answer is none; EACCES what
 *                      the server offers is not its own; EMFILE, ENFILE, ENOMEM this
 *                      process or system has no more; else what the server refused with
 * @note                A signal handler that runs meanwhile does not end the call.
 * @note                Threads: any.
 */
qb_ipcc_connection_t *qbipc_connect_timeout(const char *name, size_t max_msg_size,
					    int timeout_ms);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
