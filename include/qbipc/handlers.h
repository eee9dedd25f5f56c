/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file handlers.h
 * The function for a message: chosen by its id from a table, or by a function of the
 * application's, instead of one msg_process for everything.
 *
 * A message goes to the first of these that takes it:
 *
 *   1. the selector, when there is one and it names a handler
 *   2. the handler registered for the id
 *   3. msg_process of struct qb_ipcs_service_handlers, when that is set
 *   4. otherwise it is refused with -ENOSYS
 *
 * A message that is shorter than its handler says is refused with -EBADMSG, before the
 * handler sees it. Both refusals are counted, logged at most once in ten seconds, and
 * answered: the client gets a response of sizeof(struct qb_ipc_response_header) bytes
 * with the id of its request and the errno, so that the client does not wait in vain
 * (unless its queue of responses is full).
 * qbipc_service_refuse_set() changes that.
 *
 * This answer is sent at once. Where the answers to earlier requests are deferred, it overtakes
 * them, and a client that matches responses with requests by their order (qbipc/call.h) takes it
 * for one of those. So a service that defers answers sets a function which queues the answer
 * behind them, and returns QBIPC_REFUSE_IGNORE:
 *
 * @code{.c}
 *   static enum qbipc_refuse refuse(qb_ipcs_connection_t *c,
 *                                   const struct qb_ipc_request_header *message,
 *                                   size_t size, int error, void *data)
 *   {
 *           answer_queue(c, message->id, error);
 *           return QBIPC_REFUSE_IGNORE;
 *   }
 *
 *   qbipc_service_refuse_set(service, refuse, NULL);
 * @endcode
 *
 * A service that uses none of these functions has msg_process as before.
 */
#ifndef QBIPC_HANDLERS_H_DEFINED
#define QBIPC_HANDLERS_H_DEFINED

#include <qb/qbipc_common.h>
#include <qb/qbipcs.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * Take one message. It may do all that msg_process may.
 *
 * @param c        connection that it came from
 * @param data     the message, header first; may be written to, valid until the
 *                 function returns. A private copy, but see qbipc_service_views_set()
 *                 for requests of 16 KiB and more
 * @param size     its bytes, header included; at least min_size of the handler
 * @param context  of the handler
 * @return         0 or more: go on; negative: take no more of this client's messages
 *                 in this turn of the loop. The message is done either way
 */
typedef int (*qbipc_handler_fn)(qb_ipcs_connection_t *c, void *data, size_t size,
				void *context);

/** The client expects no response to this message: when it is refused, none is sent. */
#define QBIPC_HANDLER_ONE_WAY 1u

/**
 * A message for which nobody waits any more (qbipc/deadline.h) is not given to the function:
 * it is refused with -ETIMEDOUT, its deadline has passed, or -ECANCELED. The answer is sent at
 * once, as that of any refusal: see qbipc_service_refuse_set() if answers are deferred.
 */
#define QBIPC_HANDLER_IN_TIME 2u

/** What is done with the messages of one id. Unused fields are zero. */
struct qbipc_handler {
	size_t size;	     /**< sizeof(struct qbipc_handler) */
	int id;		     /**< of the messages; any but QB_IPC_MSG_DISCONNECT */
	uint32_t flags;	     /**< QBIPC_HANDLER_ONE_WAY, QBIPC_HANDLER_IN_TIME, both, or 0 */
	size_t min_size;     /**< bytes of the shortest message, header included */
	qbipc_handler_fn fn; /**< the function */
	void *context;	     /**< passed to the function */
	const char *name;    /**< for logs and counters; NULL: none */
};

/**
 * A row of a table: messages of this id are at least one @p type and go to @p fn. The
 * name is the id as it is written.
 *
 * @code{.c}
 *   static const struct qbipc_handler table[] = {
 *           QBIPC_HANDLER(MSG_GET, on_get, struct get_request),
 *           QBIPC_HANDLER(MSG_SET, on_set, struct set_request),
 *   };
 * @endcode
 */
#define QBIPC_HANDLER(id, fn, type)                                                            \
	{                                                                                      \
		sizeof(struct qbipc_handler), id, 0, sizeof(type), fn, NULL, #id               \
	}

/** The same with flags, for instance #QBIPC_HANDLER_IN_TIME. */
#define QBIPC_HANDLER_FLAGS(id, fn, type, flags)                                               \
	{                                                                                      \
		sizeof(struct qbipc_handler), id, flags, sizeof(type), fn, NULL, #id           \
	}

/**
 * Register handlers. May be called several times, also by a handler; what is registered
 * stays as long as the service.
 *
 * @param s      service
 * @param table  @p n handlers; copied with their names
 * @param n      how many; 0 is fine
 * @return       0; -EEXIST when an id is registered already or twice in @p table; -EINVAL
 *               for a NULL service or table, rows that differ in size or have one that
 *               no version of the struct has, an unknown flag, no function, or the id
 *               QB_IPC_MSG_DISCONNECT, which never arrives; -E2BIG a row asks for
 *               something that this library does not know; -ENOMEM
 * @note         After an error none of @p table is registered.
 * @note         Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_handlers_register(qb_ipcs_service_t *s, const struct qbipc_handler *table,
				    size_t n);

/**
 * Pick the handler of a message, for a choice that needs more than its id: the state of
 * the connection, a version in the message, a table of one's own.
 *
 * @param c        connection that it came from; one that is disconnected here gets no
 *                 handler
 * @param message  the message; @p size bytes
 * @param size     its bytes, at least those of the header
 * @param data     as given to qbipc_service_selector_set()
 * @return         a handler, registered or not, that stays until the message is done:
 *                 its min_size is checked and its function called, whatever its id; one
 *                 without a function, or with a size that
 *                 qbipc_service_handlers_register() would refuse, refuses the message
 *                 with -ENOSYS. NULL: the message
 *                 goes where it would go without a selector
 */
typedef const struct qbipc_handler *(*qbipc_selector_fn)(
	qb_ipcs_connection_t *c, const struct qb_ipc_request_header *message, size_t size,
	void *data);

/**
 * Set the selector, which is asked first about every message.
 *
 * @param s     service
 * @param fn    the selector; NULL: none any more
 * @param data  passed to @p fn
 * @return      0; -EINVAL for a NULL service; -ENOMEM
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_selector_set(qb_ipcs_service_t *s, qbipc_selector_fn fn, void *data);

/**
 * The handler registered for an id, for a selector to return.
 *
 * @param s   service
 * @param id  of messages
 * @return    the library's copy, good as long as the service; NULL: none, or a NULL
 *            service
 * @note      Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
const struct qbipc_handler *qbipc_service_handler_find(qb_ipcs_service_t *s, int id);

/** What is done about a message that is refused. */
enum qbipc_refuse {
	/** Answer with the errno, unless the handler has QBIPC_HANDLER_ONE_WAY. */
	QBIPC_REFUSE_ANSWER,
	QBIPC_REFUSE_IGNORE,	/**< Nothing: it is done with. */
	QBIPC_REFUSE_DISCONNECT /**< End the connection. */
};

/**
 * Decide about a message that is refused. May send an answer of its own and return
 * QBIPC_REFUSE_IGNORE.
 *
 * @param c        connection that it came from
 * @param message  the message; @p size bytes
 * @param size     its bytes, at least those of the header
 * @param error    -ENOSYS: no handler takes such messages; -EBADMSG: too short for its
 *                 handler; -ETIMEDOUT, -ECANCELED: too late for one with
 *                 QBIPC_HANDLER_IN_TIME
 * @param data     as given to qbipc_service_refuse_set()
 * @return         what to do; a value that is none of them answers
 */
typedef enum qbipc_refuse (*qbipc_refuse_fn)(qb_ipcs_connection_t *c,
					     const struct qb_ipc_request_header *message,
					     size_t size, int error, void *data);

/**
 * Set the function that decides about messages that are refused. Without one it is
 * QBIPC_REFUSE_ANSWER for all of them, which answers at once: before the answers to earlier
 * requests, where the service defers those.
 *
 * @param s     service
 * @param fn    the function; NULL: none any more
 * @param data  passed to @p fn
 * @return      0; -EINVAL for a NULL service; -ENOMEM
 * @note        Clients that send messages and never receive responses are better ignored
 *              or disconnected: an answer stays in their queue.
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_refuse_set(qb_ipcs_service_t *s, qbipc_refuse_fn fn, void *data);

/** What came for a handler since it was registered. */
struct qbipc_handler_stats {
	size_t size;	     /**< sizeof(struct qbipc_handler_stats), set by the caller */
	const char *name;    /**< as registered, or NULL; good as long as the service */
	uint64_t calls;	     /**< messages given to the function */
	uint64_t refused;    /**< messages that were too short */
	uint64_t backed_off; /**< calls that returned a negative value */
};

/**
 * Read the counters of a registered handler.
 *
 * @param s      service
 * @param id     of its messages
 * @param stats  filled in up to its size, which the caller has set
 * @return       0; -ENOENT no handler is registered for @p id; -EINVAL for a NULL argument
 *               or a size that no version of the struct has
 * @note         Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_handler_stats_get(qb_ipcs_service_t *s, int id,
				    struct qbipc_handler_stats *stats);

/** What was refused since the service has handlers, a selector or a hook. */
struct qbipc_message_refusals {
	size_t size;	       /**< sizeof(struct qbipc_message_refusals), set by the caller */
	uint64_t unknown;      /**< messages without a handler */
	uint64_t too_short;    /**< messages shorter than their handler says */
	uint64_t answered;     /**< of all: those that were answered */
	uint64_t disconnected; /**< of all: those that ended their connection */
	uint64_t too_late;     /**< messages for which nobody waited any more */
};

/**
 * Read how many messages were refused.
 *
 * @param s         service
 * @param refusals  filled in up to its size, which the caller has set
 * @return          0; -EINVAL for a NULL argument or a size that no version of the struct
 *                  has
 * @note            Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_message_refusals_get(qb_ipcs_service_t *s,
				       struct qbipc_message_refusals *refusals);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
