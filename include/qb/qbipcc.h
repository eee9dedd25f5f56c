/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbipcc.h
 * The client's side: connect to a service, send requests, receive responses and
 * events.
 *
 * A connection carries three streams of messages: requests to the server, responses
 * and events from it. Each keeps its order; between two of them there is none. Which
 * response belongs to which request is the application's business, by the id of the
 * message.
 *
 * Errors are negative errno values unless a function says otherwise. A NULL
 * connection is -EINVAL, NULL or nothing, never a crash.
 *
 * Threads: a connection may be used by several threads at the same time. Senders take
 * turns, and so do receivers of responses and receivers of events; one of each does not
 * wait for the others. qb_ipcc_disconnect() has the connection alone.
 *
 * Processes: after fork(2) a process and its children may use a connection in turn. A
 * process that waits in a call while another one makes the same kind of call gets -EBUSY,
 * and the message goes to the other one. qb_ipcc_disconnect() in a child closes what the
 * child has of the connection, and does not end it for the process that connected.
 */
#ifndef QB_IPCC_H_DEFINED
#define QB_IPCC_H_DEFINED

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <qb/qbipc_common.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A client's connection. */
typedef struct qb_ipcc_connection qb_ipcc_connection_t;

/**
 * Connect to a service and wait until the server has answered.
 *
 * @param name          name of the service
 * @param max_msg_size  bytes of the largest message either way, headers included; the
 *                      connection's size is at least this, at least 12328, and at
 *                      least what the server enforces
 * @return              the connection, to be given to qb_ipcc_disconnect(); or NULL and
 *                      errno:
 *                      ECONNREFUSED no process serves that name;
 *                      ENOENT the same with filesystem sockets;
 *                      EINVAL the name is NULL, empty or has a slash, or the server
 *                      named files where none of its can be;
 *                      ENAMETOOLONG it has more than 106 bytes;
 *                      EMSGSIZE the size is beyond what this library or the server
 *                      allows;
 *                      ECONNRESET, EPIPE the server went away;
 *                      EBADMSG its answer makes no sense;
 *                      ETIMEDOUT it stopped in the middle of its answer;
 *                      EAGAIN it did not answer, two seconds after a signal handler ran;
 *                      EACCES what it named may not be opened, or is not its own;
 *                      EPROTONOSUPPORT it chose a transport that is not known here;
 *                      ENOMEM, EMFILE, ENFILE this process or system has no more;
 *                      what the server's accept callback refused with, negated
 * @note                Threads: any.
 */
qb_ipcc_connection_t *qb_ipcc_connect(const char *name, size_t max_msg_size);

/**
 * Start to connect; qb_ipcc_connect_continue() finishes. Waits for nothing: not for a place in
 * the server's queue either, which is full when it has stopped and many have tried.
 *
 * @param name          as for qb_ipcc_connect()
 * @param max_msg_size  as for qb_ipcc_connect()
 * @param connect_fd    set to the descriptor that becomes readable when the server has
 *                      answered. It stays the connection's: do not close it, and ask
 *                      qb_ipcc_fd_get() for the one to poll afterwards
 * @return              the unfinished connection, good for qb_ipcc_connect_continue()
 *                      and qb_ipcc_disconnect() only; or NULL and errno: EAGAIN the
 *                      server's queue is full, try again later; or as for
 *                      qb_ipcc_connect()
 * @note                Threads: any; one thread per connection until it is finished.
 */
qb_ipcc_connection_t *qb_ipcc_connect_async(const char *name, size_t max_msg_size,
					    int *connect_fd);

/**
 * Finish what qb_ipcc_connect_async() started. Call it once, when the descriptor is
 * readable. It connects once more to a server that has answered; if the queue of that one is
 * full, it waits for two seconds at most.
 *
 * @param c  the unfinished connection. After a failure it is freed and must not be
 *           used again
 * @return   0; or, also in errno:
 *           -EAGAIN the server had not answered yet, or not all of it;
 *           -EINVAL @p c is NULL;
 *           another negative errno as for qb_ipcc_connect();
 *           what the server's accept callback refused with, as it is: positive if that
 *           was
 * @note     Threads: any; one thread per connection until it is finished.
 */
int qb_ipcc_connect_continue(struct qb_ipcc_connection *c);

/**
 * Find out how large a message the datagram sockets of this system really carry, by
 * sending some to ourselves. Of use before connecting to a QB_IPC_SOCKET service.
 *
 * @param max_msg_size  bytes to try at most
 * @return              @p max_msg_size, if that goes through; else the largest multiple
 *                      of 1024 that does; -1 when there is none or it cannot be found out
 * @note                Threads: any.
 */
int32_t qb_ipcc_verify_dgram_max_msg_size(size_t max_msg_size);

/**
 * Close the connection and free it.
 *
 * @param c  connection, finished or not; NULL is ignored
 * @note     Threads: any, when no other thread uses the connection or is about to.
 */
void qb_ipcc_disconnect(qb_ipcc_connection_t *c);

/**
 * The descriptor to poll for events.
 *
 * It is readable exactly while an event is queued or the server is gone. Only poll
 * it: reading from it breaks the connection.
 *
 * @param c   connection
 * @param fd  set to the descriptor, which stays the connection's
 * @return    0;
 *            -EINVAL an argument is NULL, or the connection is unfinished;
 *            -EMFILE, -ENFILE, -ENOMEM one has to be made, and cannot
 * @note      Threads: any, at any time.
 */
int32_t qb_ipcc_fd_get(qb_ipcc_connection_t *c, int32_t *fd);

/**
 * Get the credentials of the server, which the kernel reported with its answer.
 *
 * @param c    connection
 * @param pid  set to the server's process id; may be NULL
 * @param uid  set to its effective user id; may be NULL
 * @param gid  set to its effective group id; may be NULL
 * @return     0; -EINVAL @p c is NULL
 * @note       Threads: any, at any time.
 */
int32_t qb_ipcc_auth_get(qb_ipcc_connection_t *c, pid_t *pid, uid_t *uid, gid_t *gid);

/**
 * Up to which flow-control value of the server this client still sends.
 *
 * Sending is refused with -EAGAIN while the value is above 0 and at most @p max.
 * QB_IPCS_RATE_OFF is 1, QB_IPCS_RATE_OFF_2 is 2.
 *
 * @param c    connection
 * @param max  0: never refuse; 1, the default: while the rate is OFF; 2: also while it
 *             is OFF_2
 * @return     0; -EINVAL @p max is above 2, or @p c is NULL
 * @note       Threads: any, at any time; holds for what is sent afterwards.
 */
int32_t qb_ipcc_fc_enable_max_set(qb_ipcc_connection_t *c, uint32_t max);

/**
 * Send one request. Copies the message; does not wait until the server takes it, except:
 * a server that leaves its wake-ups unread can delay the call for half a second, and a
 * message that needs several packets (over sockets, both ends this library's, above
 * 128 KiB or half the send buffer) waits for room for its later ones.
 *
 * @param c        connection
 * @param msg_ptr  message, starting with a struct qb_ipc_request_header whose size is
 *                 @p msg_len
 * @param msg_len  bytes at @p msg_ptr
 * @return         bytes sent;
 *                 -EMSGSIZE the message is larger than the connection's size, or than the
 *                 kernel takes;
 *                 -ENOBUFS there is no memory for so large a message, which may stay so;
 *                 -EAGAIN no room now, or the server wants no requests now;
 *                 -ENOTCONN the server is gone;
 *                 -EINVAL an argument is NULL, or the connection is unfinished
 * @note           Threads: any; senders of one connection take turns.
 */
ssize_t qb_ipcc_send(qb_ipcc_connection_t *c, const void *msg_ptr, size_t msg_len);

/**
 * Send one request that lies in several places.
 *
 * @param c        connection
 * @param iov      pieces of the message, in order; empty ones are allowed
 * @param iov_len  pieces at @p iov, as many as you like
 * @return         as for qb_ipcc_send();
 *                 -EINVAL also for no pieces, or one of NULL that is not empty
 * @note           Threads: any; senders of one connection take turns.
 */
ssize_t qb_ipcc_sendv(qb_ipcc_connection_t *c, const struct iovec *iov, size_t iov_len);

/**
 * Receive one response.
 *
 * @param c           connection
 * @param msg_ptr     room for the response, which starts with a struct
 *                    qb_ipc_response_header
 * @param msg_len     bytes of that room
 * @param ms_timeout  milliseconds to wait at most; 0 does not wait, -1 waits until a
 *                    response comes or the server is gone
 * @return            bytes received;
 *                    -ETIMEDOUT none has come in that time;
 *                    -ENOTCONN the server is gone;
 *                    -ENOBUFS @p msg_len is too small: the response stays for the next
 *                    call;
 *                    -EINVAL an argument is NULL, or the connection is unfinished
 * @note              Threads: any; receivers of responses of one connection take turns.
 */
ssize_t qb_ipcc_recv(qb_ipcc_connection_t *c, void *msg_ptr, size_t msg_len,
		     int32_t ms_timeout);

/**
 * Send one request, then receive one response.
 *
 * A response that arrives after the timeout is received by the next call: compare ids.
 *
 * @param c           connection
 * @param iov         as for qb_ipcc_sendv()
 * @param iov_len     as for qb_ipcc_sendv()
 * @param msg_ptr     as for qb_ipcc_recv()
 * @param msg_len     as for qb_ipcc_recv()
 * @param ms_timeout  milliseconds for sending and receiving together; negative waits until
 *                    the response comes or the server is gone
 * @return            bytes received; or an error of qb_ipcc_sendv(), when nothing was
 *                    sent (-EAGAIN also when the time was over before it could be), or
 *                    of qb_ipcc_recv()
 * @note              Threads: any; it takes a turn as a sender, then one as a receiver.
 *                    With several threads in it on one connection, a thread may receive
 *                    the response to another one's request, unless
 *                    qbipc_late_responses_drop() was called before.
 */
ssize_t qb_ipcc_sendv_recv(qb_ipcc_connection_t *c, const struct iovec *iov, uint32_t iov_len,
			   void *msg_ptr, size_t msg_len, int32_t ms_timeout);

/**
 * Receive one event.
 *
 * @param c           connection
 * @param msg_ptr     room for the event, which starts with a struct
 *                    qb_ipc_response_header
 * @param msg_len     bytes of that room
 * @param ms_timeout  milliseconds to wait at most; 0 does not wait, negative waits until
 *                    an event comes or the server is gone
 * @return            bytes received;
 *                    -EAGAIN none has come in that time, or before a signal handler
 *                    ran;
 *                    -ENOTCONN the server is gone and all its events have been received;
 *                    -ENOBUFS @p msg_len is too small: the event stays;
 *                    -EINVAL an argument is NULL, or the connection is unfinished
 * @note              Threads: any; receivers of events of one connection take turns.
 */
ssize_t qb_ipcc_event_recv(qb_ipcc_connection_t *c, void *msg_ptr, size_t msg_len,
			   int32_t ms_timeout);

/**
 * Keep a pointer of the application's with the connection. The library does not interpret
 * it.
 *
 * @param c        connection
 * @param context  any pointer
 * @note           Threads: one at a time per connection.
 */
void qb_ipcc_context_set(qb_ipcc_connection_t *c, void *context);

/**
 * The application's pointer.
 *
 * @param c  connection
 * @return   what qb_ipcc_context_set() set last; NULL before
 * @note     Threads: one at a time per connection.
 */
void *qb_ipcc_context_get(qb_ipcc_connection_t *c);

/**
 * Ask the socket whether the server is there.
 *
 * @param c  connection
 * @return   QB_TRUE or QB_FALSE of <qb/qbdefs.h>; once false it stays false
 * @note     Threads: any, at any time.
 */
int32_t qb_ipcc_is_connected(qb_ipcc_connection_t *c);

/**
 * The size both ends agreed on when they connected.
 *
 * @param c  connection
 * @return   bytes of the largest message either way, headers included;
 *           -EINVAL @p c is NULL
 * @note     Threads: any, at any time.
 */
int32_t qb_ipcc_get_buffer_size(qb_ipcc_connection_t *c);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
