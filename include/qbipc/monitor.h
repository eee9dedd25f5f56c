/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file monitor.h
 * Seeing from outside which messages pass through a service: who sends what to whom, for
 * those who may read its counters, if the service allows it. The service answers from the
 * library: no callback of its application runs and no connection is made.
 */
#ifndef QBIPC_MONITOR_H_DEFINED
#define QBIPC_MONITOR_H_DEFINED

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qb/qbipcs.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** What a service shows to monitors. */
enum qbipc_monitor_mode {
	QBIPC_MONITOR_OFF = 0,	   /**< nothing; the default */
	QBIPC_MONITOR_HEADERS = 1, /**< who sends messages of which id and size, and when */
	QBIPC_MONITOR_PAYLOAD = 2, /**< the same, and the messages */
};

/** What a record tells of. */
enum qbipc_monitor_kind {
	QBIPC_MONITOR_LOST = 0,	     /**< nothing has passed since records were lost */
	QBIPC_MONITOR_REQUEST = 1,   /**< a client has sent it, the application gets it now */
	QBIPC_MONITOR_RESPONSE = 2,  /**< the application has sent it to a client */
	QBIPC_MONITOR_EVENT = 3,     /**< likewise */
	QBIPC_MONITOR_CONNECTED = 4, /**< a connection is up */
	QBIPC_MONITOR_ENDED = 5,     /**< a connection has ended */
};

/**
 * Allow monitors to see the messages of a service. Those may monitor a service who may read
 * its counters: the superuser, processes with the effective user of the service, and whom
 * qbipc_service_snapshot_allow() names.
 *
 * It is #QBIPC_MONITOR_OFF unless this function, or `QBIPC_MONITOR=headers` or
 * `QBIPC_MONITOR=payload` in the environment, which is read when the service is created, says
 * otherwise. While there is no monitor it costs nothing. The service does not wait for
 * monitors: one that does not read loses records. There are at most four, of which two may be
 * of other users than root and that of the service; these two together take at most a
 * twentieth of the time of the service, and lose what would take longer.
 *
 * @param s     service, running or not
 * @param mode  what they see; with #QBIPC_MONITOR_OFF those that there are end
 * @return      0; -EINVAL for a NULL service or an unknown mode
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_monitor_set(qb_ipcs_service_t *s, enum qbipc_monitor_mode mode);

/** A client that sees the messages of a service; made by qbipc_monitor_open(). */
typedef struct qbipc_monitor qbipc_monitor_t;

/** Which records a monitor wants; all zeros: all of them, without messages. */
struct qbipc_monitor_options {
	size_t size;	 /**< of this struct; the caller sets it */
	uint32_t kinds;	 /**< a bit for each, 1u << the kind; 0: all kinds */
	uint32_t bytes;	 /**< that records have of each message, at most 65536 */
	uint64_t number; /**< only of this connection; 0: of all */
	pid_t pid;	 /**< only of clients of this process; 0: of all */
	int by_id;	 /**< not 0: only messages of the next field's id */
	int id;		 /**< of messages */
};

/** What a monitor knows of the service. */
struct qbipc_monitor_info {
	size_t size;	      /**< of this struct; the caller sets it */
	pid_t pid;	      /**< of the process that answered; 0: it cannot be seen
				     from here */
	uid_t uid;	      /**< its effective user */
	gid_t gid;	      /**< its effective group */
	int service_id;	      /**< as given to qb_ipcs_create() */
	int mode;	      /**< what it shows: #QBIPC_MONITOR_HEADERS and so on */
	uint64_t time_ns;     /**< of the answer, on the monotonic clock of the service */
	uint64_t realtime_ns; /**< the same time since 1970, UTC */
};

/** One record. */
struct qbipc_monitor_record {
	size_t size;	       /**< of this struct; the caller sets it */
	uint32_t kind;	       /**< #QBIPC_MONITOR_REQUEST and so on, or a later one */
	int id;		       /**< of the message */
	uint64_t number;       /**< of the connection; clients of the service count from 1 */
	uint64_t time_ns;      /**< on the monotonic clock of the service */
	uint64_t message_size; /**< bytes of the message, header included */
	uint64_t lost;	       /**< records lost since the one before, or before the first */
	pid_t pid;	       /**< of the client, as of its connect */
	uid_t uid;	       /**< its effective user, likewise */
	gid_t gid;	       /**< its effective group, likewise */
	int error;	       /**< of a response or an event */
	uint32_t native;       /**< version of the native wire; 0: libqb's wire */
	uint32_t max_msg_size; /**< bytes of the largest message of the connection */
	uint32_t bytes;	       /**< of the message, at @p data */
	const void *data;      /**< its first bytes; NULL: none. Good until the next call */
};

/**
 * Become a monitor of a service.
 *
 * @param name         of a service, or the path of its socket if it has a slash
 * @param options      what to tell of; NULL: everything, without messages
 * @param timeout_ms   milliseconds for all of it; negative waits for ever
 * @param ret_monitor  to be ended with qbipc_monitor_close(); unchanged on failure
 * @return  0; -EACCES the caller may not watch the service; -EPERM the service is not to be
 *          monitored; -EUSERS it has too many monitors; -EOPNOTSUPP the service has no
 *          monitors (libqb; the connection that it made for the question is closed again);
 *          -E2BIG a later version has these options; otherwise as qbipc_probe()
 * @note    Records begin before this returns.
 * @note    Threads: any.
 */
int qbipc_monitor_open(const char *name, const struct qbipc_monitor_options *options,
		       int timeout_ms, qbipc_monitor_t **ret_monitor);

/**
 * What is known of the service.
 *
 * @param monitor  of qbipc_monitor_open()
 * @param info     filled in, up to its size, which the caller has set
 * @return  0; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_monitor_info_get(const qbipc_monitor_t *monitor, struct qbipc_monitor_info *info);

/**
 * A descriptor to poll for POLLIN: call qbipc_monitor_next() with no time until it returns
 * -ETIMEDOUT.
 *
 * @param monitor  of qbipc_monitor_open()
 * @return  the descriptor, which belongs to the monitor; -EINVAL for NULL
 * @note    Threads: any.
 */
int qbipc_monitor_fd(const qbipc_monitor_t *monitor);

/**
 * Wait for the next record.
 *
 * @param monitor     of qbipc_monitor_open()
 * @param timeout_ms  milliseconds; 0 does not wait, negative waits for ever
 * @param record      filled in, up to its size, which the caller has set
 * @return  0; -ETIMEDOUT nothing has passed in this time; -ENOTCONN the service has ended, or
 *          allows monitors no more; -EBADMSG what it sends is no record; -EINVAL bad arguments;
 *          another -errno of the system
 * @note    Threads: one at a time for each monitor.
 */
int qbipc_monitor_next(qbipc_monitor_t *monitor, int timeout_ms,
		       struct qbipc_monitor_record *record);

/**
 * End a monitor.
 *
 * @param monitor  of qbipc_monitor_open(), or NULL
 * @note    Threads: any, once no thread uses the monitor.
 */
void qbipc_monitor_close(qbipc_monitor_t *monitor);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
