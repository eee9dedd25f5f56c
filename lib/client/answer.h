/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's answer to the first message, with its descriptors and the credentials of
 * its sender.
 *
 * Trust: any process may answer. No more descriptors are kept than an answer may carry, and
 * the wait for the rest of an answer that has begun is bounded.
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
 * Once the answer has begun to arrive, the rest follows at once from a server that
 * means well. One that does not may not hold us longer than this.
 */
#define QBI_REST_OF_ANSWER_MS 2000

/* As far as it has come; begin with zeros. */
struct qbi_answer {
	struct qbi_welcome welcome;
	size_t size;
	struct ucred server;
	bool have_server;
	bool two_servers; /* its pieces are not all of one process */
	int fds[QBI_REPLY_FDS_MAX];
	unsigned int n_fds;
	bool too_many_fds;
	bool fds_kept_out; /* the kernel did not give us all that were sent */
};

/*
 * Read all of it until @deadline, or what is there when that is 0. 0; -EAGAIN it did not
 * come in time; -ECONNRESET, another -errno.
 */
int qbi_answer_wait(struct qbi_answer *a, int stream, uint64_t deadline);

/*
 * Of one that is complete. 0, also for a refusal; -EBADMSG no server answers like that;
 * -EMFILE or -EACCES descriptors came with it and could not be taken, for want of room
 * or because they may not be.
 */
int qbi_answer_check(const struct qbi_answer *a);

/* Does it offer the native wire? */
bool qbi_answer_is_native(const struct qbi_answer *a);

/* Close the descriptors that nobody took. May run twice. */
void qbi_answer_release(struct qbi_answer *a);

#endif
