/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the name of a service, or a path, to a connected stream. */
#ifndef QBI_CLIENT_REACH_H
#define QBI_CLIENT_REACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The address that was reached; zeros: none was. */
struct qbi_reached {
	struct sockaddr_un address;
	socklen_t size;
};

/*
 * Connect a stream to the service, or to the socket at the path @name if it has a slash. The
 * stream receives the credentials of the sender of the answer. Waits for a place in the
 * queue until @deadline; 0: not at all. 0; -ETIMEDOUT;
 * -EAGAIN a signal handler ran (QBI_UNTIL_SIGNAL only); -ECONNREFUSED no process listens
 * there; -ENOENT likewise (filesystem sockets); -EINVAL or -ENAMETOOLONG the name is
 * invalid; another -errno.
 *
 * The caller has disabled cancellation (base/unfinished.h). The call waits with
 * @cancel_state, and *@ret_stream has the descriptor meanwhile. *@ret_reached, if it is not
 * NULL, gets the address.
 */
int qbi_reach(const char *name, uint64_t deadline, int cancel_state, int *ret_stream,
	      struct qbi_reached *ret_reached);

/*
 * Connect one more stream, which asks for no credentials and takes no descriptors, to the very
 * same address. Likewise. *@ret_made: the stream could be made, so it is the connecting that
 * failed.
 */
int qbi_reach_again(const struct qbi_reached *reached, uint64_t deadline, int cancel_state,
		    int *ret_stream, bool *ret_made);

#endif
