/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file snapshot.h
 * Monitoring services from outside: which process serves a name, and the counters of a
 * service that allows it. The service answers from the library: no callback of its
 * application runs and no connection is made.
 */
#ifndef QBIPC_WATCH_H_DEFINED
#define QBIPC_WATCH_H_DEFINED

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qb/qbipcs.h>
#include <qbipc/limits.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Why a connection is on libqb's wire and not on the native one. */
enum qbipc_why {
	QBIPC_WHY_NATIVE = 0,	      /**< it is on the native wire */
	QBIPC_WHY_LIBQB = 1,	      /**< the other end is libqb, or says no more than it */
	QBIPC_WHY_SERVER_OFF = 2,     /**< switched off at the server: qbipc_native_set() */
	QBIPC_WHY_CLIENT_OFF = 3,     /**< switched off at the client, likewise */
	QBIPC_WHY_OWNER = 4,	      /**< the client could not open files of the connection's
					   owner and mode: qb_ipcs_connection_auth_set() */
	QBIPC_WHY_SERVER_REFUSED = 5, /**< a policy or a sandbox refuses the server a call */
	QBIPC_WHY_CLIENT_REFUSED = 6, /**< likewise the client */
	QBIPC_WHY_SERVER_SHORT = 7, /**< the server has no descriptors, memory, or quota left */
	QBIPC_WHY_CLIENT_SHORT = 8, /**< likewise the client */
	QBIPC_WHY_REMEMBERED = 9,   /**< it failed less than a minute ago, and is not tried */
	QBIPC_WHY_OVERCOMMIT = 10,  /**< overcommit is forbidden here: a page of shared memory
				       may be missing at any access */
};

/** The process that answered, and the properties that a connection would have. */
struct qbipc_probe_info {
	size_t size;	       /**< of this struct; the caller sets it */
	pid_t pid;	       /**< of the process that answered; 0: it cannot be seen
				     from here */
	uid_t uid;	       /**< its effective user */
	gid_t gid;	       /**< its effective group */
	int error;	       /**< 0, or the error that clients get: then the fields
				     below have no meaning */
	int type;	       /**< QB_IPC_SHM or QB_IPC_SOCKET */
	uint32_t native;       /**< version of the native wire; 0: libqb's wire */
	uint32_t max_msg_size; /**< bytes of the largest message */
	int connected;	       /**< not 0: the service does not know probes, so this was a
				     connection like any other, which is closed again */
	uint64_t answer_ns;    /**< from connecting to the end of the answer */
	int why;	       /**< not the native wire, QBIPC_WHY_; or a later code */
	int why_error;	       /**< the errno of a call that was refused, or failed; or 0 */
	const char *why_text;  /**< the same as @p why in words; static */
	const char *why_call;  /**< the name of that call; static. NULL: not known */
};

/**
 * Ask which process serves a name and which properties a connection would have, without
 * making one.
 *
 * A service of this library answers without its application: connection_accept, which
 * may still refuse the caller or change the owner of the connection, does not run. A
 * service of libqb treats the question as a client and runs its callbacks.
 *
 * The service passes descriptors with its answer, which are tried and closed: @p native
 * and @p why take into account what keeps this process from the native wire, too.
 *
 * @param name          of a service, or the path of its socket if it has a slash
 * @param max_msg_size  bytes of messages to ask for; 0 as few as possible
 * @param timeout_ms    milliseconds for all of it; negative waits for ever
 * @param info          filled in on success, up to its size, which the caller has set
 * @return  0;
 *          -EINVAL bad arguments;
 *          -ENAMETOOLONG the name or the path is too long for a socket;
 *          -EMSGSIZE the size is beyond any message;
 *          -ECONNREFUSED no process serves the name;
 *          -ENOENT no process serves the path;
 *          -EACCES the path may not be used;
 *          -ETIMEDOUT the time is over;
 *          -ECONNRESET closed without an answer;
 *          -EBADMSG the process that answers is no service;
 *          -ENOMEM; another -errno of the system
 * @note    Threads: any.
 */
int qbipc_probe(const char *name, size_t max_msg_size, int timeout_ms,
		struct qbipc_probe_info *info);

/**
 * Allow a user and a group to read the counters of a service's connections, and its table
 * of handlers (qbipc_describe()). The superuser
 * and processes with the effective user of the service always may, also without this call.
 *
 * @param s     service
 * @param uid   user that may; (uid_t)-1 none
 * @param gid   group whose members may, supplementary ones too; (gid_t)-1 none
 * @return      0; -EINVAL for a NULL service
 * @note        A later call replaces an earlier one.
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_snapshot_allow(qb_ipcs_service_t *s, uid_t uid, gid_t gid);

/**
 * Measure how long the application takes for requests and how late its poll loop is, for
 * snapshots. It is off, and costs nothing, unless this function or `QBIPC_TIMING=1` in the
 * environment, which is read when the service is created, switches it on.
 *
 * While it is on, the clock is read before and after each request, and a timer is in the loop
 * of the service, ten times per second.
 *
 * @param s   service, running or not
 * @param on  not 0: measure; times that were measured before stay. 0: do not, and forget
 *            them
 * @return    0; -EINVAL for a NULL service; -ENOMEM; another -errno of the poll loop, and
 *            then nothing is measured
 * @note      Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_timing_set(qb_ipcs_service_t *s, int on);

/** Counters of a service at one moment; made by qbipc_snapshot_get(). */
typedef struct qbipc_snapshot qbipc_snapshot_t;

/** What a snapshot says of the service. */
struct qbipc_snapshot_info {
	size_t size;	      /**< of this struct; the caller sets it */
	pid_t pid;	      /**< of the process that answered; 0: it cannot be seen
				     from here */
	uid_t uid;	      /**< its effective user */
	gid_t gid;	      /**< its effective group */
	int service_id;	      /**< as given to qb_ipcs_create() */
	uint32_t connections; /**< that are up */
	uint32_t listed;      /**< of them in this snapshot, the newest first */
	uint32_t flow;	      /**< flow-control value for new clients, 0 to 2 */
	uint64_t closed;      /**< connections that have ended */
	uint64_t time_ns;     /**< time of the snapshot, on the monotonic clock */
	/** Requests taken. This one and those below are of all connections, also of those
	    that have ended; they only grow. */
	uint64_t requests;
	uint64_t responses;	     /**< sent */
	uint64_t events;	     /**< sent */
	uint64_t send_retries;	     /**< sends that found no room */
	uint64_t recv_retries;	     /**< wake-ups without a request */
	uint64_t flow_control_count; /**< changes of the flow of a connection */
};

/** The times that a service can measure. */
enum qbipc_timing {
	QBIPC_TIMING_PROCESS = 0,  /**< in msg_process, or in the handler of a request */
	QBIPC_TIMING_LATENESS = 1, /**< from the end of a timer of the service to the moment
					when the poll loop says so */
};

/** The number of parts of a distribution of times. */
#define QBIPC_TIMING_BUCKETS 24

/** A part of a distribution of times. */
struct qbipc_timing_bucket {
	uint64_t up_to_ns; /**< its largest time; UINT64_MAX for the last part */
	uint64_t count;	   /**< times up to that which are too large for the part before */
};

/** A distribution of times. */
struct qbipc_timing_times {
	size_t size;	 /**< of this struct; the caller sets it */
	uint64_t count;	 /**< of all times */
	uint64_t sum_ns; /**< of all times, in nanoseconds */
	struct qbipc_timing_bucket bucket[QBIPC_TIMING_BUCKETS]; /**< in ascending order */
};

/** What a snapshot says of one connection. */
struct qbipc_snapshot_connection {
	size_t size;		     /**< of this struct; the caller sets it */
	uint64_t number;	     /**< clients of the service count from 1 */
	pid_t pid;		     /**< of the client, as of its connect */
	uid_t uid;		     /**< its effective user, likewise */
	gid_t gid;		     /**< its effective group, likewise */
	uint32_t native;	     /**< version of the native wire; 0: libqb's wire */
	uint32_t max_msg_size;	     /**< bytes of the largest message */
	uint32_t flow;		     /**< flow-control value, 0 to 2 */
	uint32_t event_q_length;     /**< events that wait for the client */
	uint64_t requests;	     /**< taken */
	uint64_t responses;	     /**< sent */
	uint64_t events;	     /**< sent */
	uint64_t send_retries;	     /**< sends that found no room */
	uint64_t recv_retries;	     /**< wake-ups without a request */
	uint64_t flow_control_count; /**< changes of the flow */
	uint64_t age_ns;	     /**< since the client connected */
	int why;		     /**< not the native wire, QBIPC_WHY_; or a later code */
	int why_error;		     /**< the errno of a call that was refused; or 0 */
	const char *why_text;	     /**< the same as @p why in words; static */
	const char *why_call;	     /**< the name of that call; static. NULL: not known */
};

/**
 * Read the counters of all connections of a service that allows it.
 *
 * @param name          of a service, or the path of its socket if it has a slash
 * @param timeout_ms    milliseconds for all of it; negative waits for ever
 * @param ret_snapshot  to be freed with qbipc_snapshot_free(); unchanged on failure
 * @return  0; -EACCES the service does not allow it; -EOPNOTSUPP the service has no
 *          snapshots (libqb; the connection that it made for the question is closed
 *          again); otherwise as qbipc_probe()
 * @note    The service does not wait for the caller, and sends at most 1024 connections per
 *          answer; this function asks again until it has all of them. The counters of one
 *          connection are of one moment, those of the service of the first answer. A
 *          connection that ends meanwhile may be missing, a new one is missing.
 * @note    Threads: any.
 */
int qbipc_snapshot_get(const char *name, int timeout_ms, qbipc_snapshot_t **ret_snapshot);

/**
 * What a snapshot says of the service.
 *
 * @param snapshot  of qbipc_snapshot_get()
 * @param info      filled in, up to its size, which the caller has set
 * @return  0; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_snapshot_info_get(const qbipc_snapshot_t *snapshot, struct qbipc_snapshot_info *info);

/**
 * What the service has refused so far, as qbipc_service_refusals_get() tells it.
 *
 * @param snapshot  of qbipc_snapshot_get()
 * @param refusals  filled in, up to its size, which the caller has set
 * @return  0; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_snapshot_refusals_get(const qbipc_snapshot_t *snapshot,
				struct qbipc_service_refusals *refusals);

/**
 * The times that the service has measured, while qbipc_service_timing_set() is on.
 *
 * @param snapshot  of qbipc_snapshot_get()
 * @param which     of the times
 * @param times     filled in, up to its size, which the caller has set
 * @return  0; -ENODATA the service does not measure times; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_snapshot_timing_get(const qbipc_snapshot_t *snapshot, enum qbipc_timing which,
			      struct qbipc_timing_times *times);

/**
 * What a snapshot says of one connection.
 *
 * @param snapshot    of qbipc_snapshot_get()
 * @param index       from 0, the newest connection, to one below the number listed
 * @param connection  filled in, up to its size, which the caller has set
 * @return  0; -ENOENT no such index; -EINVAL bad arguments
 * @note    Threads: any.
 */
int qbipc_snapshot_connection_get(const qbipc_snapshot_t *snapshot, uint32_t index,
				  struct qbipc_snapshot_connection *connection);

/**
 * Free a snapshot.
 *
 * @param snapshot  of qbipc_snapshot_get(), or NULL
 * @note    Threads: any, once no thread uses the snapshot.
 */
void qbipc_snapshot_free(qbipc_snapshot_t *snapshot);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
