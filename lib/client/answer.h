/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's answer to the first message, with its descriptors and the credentials of
 * its sender.
 *
 * Trust: any process may answer. We keep at most as many descriptors as an answer can have,
 * and the wait for the rest of an answer that has begun is bounded.
 */
#ifndef QBI_CLIENT_ANSWER_H
#define QBI_CLIENT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "transport/transport.h"
#include "wire/handshake.h"

/*
 * Once the answer has begun to arrive, the rest follows at once from a correct server. A
 * hostile server can make us wait for at most this time.
 */
#define QBI_REST_OF_ANSWER_MS 2000

/*
 * For an answer after a signal handler has run. A server that is well answers within it: whoever
 * connects while its children end, as pacemakerd does, takes a failure for the server's end.
 */
#define QBI_AFTER_SIGNAL_MS 2000

/* An answer as far as it has arrived; initialize with zeros. */
struct qbi_answer {
	struct qbi_welcome welcome;
	size_t size;
	struct ucred server;
	bool have_server;
	bool two_servers; /* its pieces came from more than one process */
	int fds[QBI_REPLY_FDS_MAX];
	unsigned int n_fds;
	bool too_many_fds;
	bool fds_kept_out; /* the kernel discarded descriptors that were sent */
};

/*
 * Read all of it until @deadline; 0: only what is there. Cancelled as qbi_reach(). 0;
 * -EAGAIN it did not come in time; -EINTR nor did it soon after a signal handler had run
 * (QBI_UNTIL_SIGNAL only);
 * -ECONNRESET; another -errno.
 */
int qbi_answer_wait(struct qbi_answer *a, int stream, uint64_t deadline, int cancel_state);

/*
 * Check a complete answer. 0, also for a refusal; -EBADMSG it is invalid; -EMFILE or
 * -EACCES descriptors were sent with it and could not be received: there is no room, or it
 * is not allowed.
 */
int qbi_answer_check(const struct qbi_answer *a);

/* Does it offer the native wire? */
bool qbi_answer_is_native(const struct qbi_answer *a);

/* Close the descriptors that were not taken. Idempotent. */
void qbi_answer_release(struct qbi_answer *a);

#endif
