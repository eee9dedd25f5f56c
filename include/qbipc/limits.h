/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file limits.h
 * Quotas of a service: limits on the resources that its clients may use, and counts of
 * refused clients. Included by <qb/qbipc_ext.h>.
 *
 * The defaults are meant never to be noticed by honest clients. Clients that run as root
 * or as the server's own (effective) user are exempt from the limits per user.
 */
#ifndef QBIPC_LIMITS_H_DEFINED
#define QBIPC_LIMITS_H_DEFINED

#include <qb/qbipcs.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A limit that is never reached. */
#define QBIPC_NO_LIMIT UINT64_MAX

/**
 * Limits of one service. In all but the first field 0 stands for the default, so that a
 * program sets only the limits that it wants to change.
 */
struct qbipc_service_limits {
	size_t size; /**< sizeof(struct qbipc_service_limits), set by the caller */
	/**
	 * Clients that are connected but have not completed the handshake. When there
	 * are more, one is closed: the oldest of the user that has most of them. A
	 * quarter of the descriptors that the process may have is a limit as well.
	 */
	uint64_t handshakes;
	/** The same per user; that user's oldest is closed. */
	uint64_t handshakes_per_uid;
	/** Milliseconds that a client has for the handshake; then it is closed. */
	uint64_t handshake_ms;
	/** Connections; more are refused with EUSERS. */
	uint64_t connections;
	/**
	 * Connections per user; more are refused with EDQUOT. One that has ended counts
	 * until its memory and files are given back, if the user holds that up.
	 */
	uint64_t connections_per_uid;
	/**
	 * Connections per user while less than a quarter of the descriptors that the
	 * process may have is left (RLIMIT_NOFILE), so that one user alone cannot take
	 * the rest. More are refused with EDQUOT.
	 */
	uint64_t connections_when_scarce;
	/**
	 * Bytes of shared memory that the connections of a user may take, by the sizes
	 * agreed; more are refused with EDQUOT. What has ended counts as above. Besides, what
	 * has come of bodies (<qbipc/bodies.h>) and what is kept of them: who sends more is
	 * disconnected.
	 */
	uint64_t memory_per_uid;
	/**
	 * Bytes of the largest message that a client may ask for, at least 12328 and at
	 * most 2^30 (larger means that); more is refused with EMSGSIZE. What
	 * qb_ipcs_enforce_buffer_size() gives is not refused.
	 */
	uint64_t message_size;
	/**
	 * Requests of one client that are served before other clients get their turn,
	 * where qb_ipcs_request_rate_limit() allows more.
	 */
	uint64_t dispatch_messages;
	/** Bytes of such requests; the one that reaches the limit is still served. */
	uint64_t dispatch_bytes;
	/**
	 * Wake-ups without a message (junk) that a client may send in excess; each
	 * message offsets one. Beyond the limit the client is disconnected.
	 */
	uint64_t junk_wakeups;
	/**
	 * Answers with descriptors that clients have not read. Clients beyond that get libqb's
	 * wire, which passes none. An eighth of the descriptors that the process may have is a
	 * limit as well. Answers to root and to the server's own user do not count.
	 */
	uint64_t unread_answers;
	/** The same per user. */
	uint64_t unread_answers_per_uid;
};

/**
 * Set the limits of a service. They apply to new clients; no established connection is
 * closed.
 *
 * @param s       service, running or not
 * @param limits  with its size; 0 in a field stands for the default, QBIPC_NO_LIMIT for
 *                no limit
 * @return        0; -EINVAL an argument is NULL, no version of the struct has that size,
 *                or message_size is below 12328; -E2BIG the struct asks for something
 *                that this library does not know
 * @note          After an error the limits are as they were.
 * @note          Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits);

/**
 * The limits of a service as they are, defaults filled in.
 *
 * @param s       service
 * @param limits  filled in up to its size, which the caller has set; fields that this
 *                library does not know become 0
 * @return        0; -EINVAL an argument is NULL or no version of the struct has that
 *                size
 * @note          Threads: as qbipc_service_limits_set().
 */
int qbipc_service_limits_get(qb_ipcs_service_t *s, struct qbipc_service_limits *limits);

/**
 * What a service refused since it was created, by reason. Each client is counted once.
 * Each reason is also logged (see qbipc_log_hook_set()), at most once in ten seconds, with
 * the number of messages that were suppressed before.
 */
struct qbipc_service_refusals {
	size_t size;	     /**< sizeof(struct qbipc_service_refusals), set by the caller */
	uint64_t handshakes; /**< closed for that limit */
	uint64_t handshakes_per_uid;	  /**< closed for that limit */
	uint64_t handshakes_overdue;	  /**< closed after handshake_ms */
	uint64_t handshakes_bad;	  /**< closed: what they sent is no handshake */
	uint64_t connections;		  /**< refused for that limit */
	uint64_t connections_per_uid;	  /**< refused for that limit */
	uint64_t connections_when_scarce; /**< refused for that limit */
	uint64_t memory_per_uid;	  /**< refused or disconnected for that limit */
	uint64_t message_size;		  /**< refused for that limit */
	/** Turned away, refused or closed to make room when descriptors had run out. */
	uint64_t descriptors;
	/** Refused by the system, for any other reason: no memory, for instance. */
	uint64_t failed;
	uint64_t junk_wakeups; /**< disconnected for that limit */
	uint64_t nonsense;     /**< disconnected for what they sent otherwise */
	uint64_t watchers;     /**< refused: not allowed to watch */
	/** Not a refusal: how often the listener paused because it could not accept. */
	uint64_t listener_rests;
	/** Not a refusal: dispatches that dispatch_messages or dispatch_bytes ended early. */
	uint64_t dispatches_cut;
	/**
	 * Disconnected: what they are sent, or what they send, costs the server milliseconds of
	 * CPU time per message, and did so again and again.
	 */
	uint64_t costly;
	/** Refused: their memory must be locked and cannot be, see <qbipc/memory.h>. */
	uint64_t unlocked;
	/** Not a refusal: connections on libqb's wire because answers had not been read. */
	uint64_t unread_answers;
	/** Left more requests when they hung up than are still served then. */
	uint64_t requests_left;
};

/**
 * What a service refused so far. The counts only grow.
 *
 * @param s         service
 * @param refusals  filled in up to its size, which the caller has set; fields that this
 *                  library does not know become 0
 * @return          0; -EINVAL an argument is NULL or no version of the struct has that
 *                  size
 * @note            Threads: any that holds a reference to the service.
 */
int qbipc_service_refusals_get(qb_ipcs_service_t *s, struct qbipc_service_refusals *refusals);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
