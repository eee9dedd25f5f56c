/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file connect.h
 * Connecting within a time.
 *
 * The other calls of a client that take a time (qb_ipcc_recv(), qb_ipcc_event_recv(),
 * qb_ipcc_sendv_recv()) keep to it whatever the server does or leaves undone. Those that
 * take none are bounded as well, but for those that were told to wait for ever:
 * qb_ipcc_send() waits for half a second at most for a server that leaves its wake-ups
 * unread, and qb_ipcc_disconnect() waits for nobody.
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
 * Connect to a service as qb_ipcc_connect() does, but within a time that covers all of
 * it: waiting for a place in the queue of a server that accepts nobody, and for its
 * answer, whole or half.
 *
 * @param name          of the service
 * @param max_msg_size  largest message in bytes that is to be sent or received
 * @param timeout_ms    milliseconds; 0: no waiting at all, so that all one learns is
 *                      whether somebody listens; negative: wait for ever
 * @return              the connection, to be ended with qb_ipcc_disconnect(); NULL and
 *                      errno: ETIMEDOUT the time is over: the server is there but did not
 *                      take us or not answer; ECONNREFUSED nobody listens at that name;
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
