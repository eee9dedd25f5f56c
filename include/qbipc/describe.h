/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file describe.h
 * Which messages a service takes: its table of handlers (<qbipc/handlers.h>), asked for from
 * outside. The service answers from the library: no callback of its application runs and no
 * connection is made.
 */
#ifndef QBIPC_DESCRIBE_H_DEFINED
#define QBIPC_DESCRIBE_H_DEFINED

#include <qbipc/handlers.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The handlers of a service; made by qbipc_describe(). */
typedef struct qbipc_description qbipc_description_t;

/** What a description says of the service. */
struct qbipc_description_info {
	size_t size;	   /**< of this struct; the caller sets it */
	pid_t pid;	   /**< of the process that answered; 0: it cannot be seen from here */
	uid_t uid;	   /**< its effective user */
	gid_t gid;	   /**< its effective group */
	int service_id;	   /**< as given to qb_ipcs_create() */
	uint32_t handlers; /**< that are registered; 0: the service has no table */
	uint32_t listed;   /**< of them in this description */
	int others;	   /**< not 0: msg_process takes messages without a handler */
	int selector;	   /**< not 0: a function of the service may choose other handlers */
};

/** What a description says of one handler. */
struct qbipc_description_handler {
	size_t size;	   /**< of this struct; the caller sets it */
	int id;		   /**< of the messages */
	uint32_t flags;	   /**< #QBIPC_HANDLER_ONE_WAY, or flags of a later version */
	uint64_t min_size; /**< bytes of the shortest message, header included */
	const char *name;  /**< up to 63 bytes of it, any bytes; NULL: none. Good as long as the
				description */
};

/**
 * Ask a service for its handlers. It answers those who may read its counters, see
 * qbipc_service_snapshot_allow().
 *
 * @param name             of a service, or the path of its socket if it has a slash
 * @param timeout_ms       milliseconds for all of it; negative waits for ever
 * @param ret_description  to be freed with qbipc_description_free(); unchanged on failure
 * @return  0, also when the service has no handlers; -EACCES the service does not allow it;
 *          -EOPNOTSUPP the service cannot be asked (libqb; the connection that it made for the
 *          question is closed again); otherwise as qbipc_probe()
 * @note    The service sends at most 1024 handlers per answer; this function asks again until
 *          it has all of them, or 65536. What is registered meanwhile may be missing.
 * @note    Threads: any.
 */
int qbipc_describe(const char *name, int timeout_ms, qbipc_description_t **ret_description);

/**
 * What a description says of the service.
 *
 * @param description  of qbipc_describe()
 * @param info         filled in, up to its size, which the caller has set
 * @return  0; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_description_info_get(const qbipc_description_t *description,
			       struct qbipc_description_info *info);

/**
 * What a description says of one handler.
 *
 * @param description  of qbipc_describe()
 * @param index        from 0, the handler with the lowest id, to one below the number listed
 * @param handler      filled in, up to its size, which the caller has set
 * @return  0; -ENOENT no such index; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_description_handler_get(const qbipc_description_t *description, uint32_t index,
				  struct qbipc_description_handler *handler);

/**
 * Free a description.
 *
 * @param description  of qbipc_describe(), or NULL
 * @note    Threads: any, once no thread uses the description.
 */
void qbipc_description_free(qbipc_description_t *description);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
