/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listening socket of a service and the way in: accept one client per wake-up,
 * besides those who have left by then, and when descriptors run out close an unfinished
 * handshake in favour of the next client, or give up a spare descriptor to turn that
 * client away, so that the listener never spins. When even that does not help, and when
 * accept(2) is refused for a reason that is no client's, it rests, longer and longer, and
 * service resumes by itself.
 */
#ifndef QBI_SERVER_LISTENER_H
#define QBI_SERVER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "server/deadlines.h"
#include "server/host.h"

struct qbi_listener {
	struct qbi_host *host; /* whose clients it lets in */
	int fd;		       /* -1: not listening */
	int spare;	       /* given up at EMFILE; -1: none */
	bool in_loop;
	struct qbi_deadline rest;   /* waits: it rests until then, out of the loop */
	uint64_t rest_ns;	    /* the last one, each longer; 0: it went well */
	int refused_with;	    /* errno of the last rest, which was said; 0 none */
	struct sockaddr_un address; /* a path is unlinked at the end; none if adopted */
};

void qbi_listener_init(struct qbi_listener *l, struct qbi_host *h);

/*
 * Use @fd, which somebody else bound and listens on, and close it at the end. Before
 * qbi_listener_open(). 0; -EBADF, -ENOTSOCK, -EPROTOTYPE, -EINVAL it is not that; -EBUSY;
 * after an error @fd is the caller's.
 */
int qbi_listener_adopt(struct qbi_listener *l, int fd);

/* Bind and listen, unless that was done, join the loop. 0 or -errno; then nothing is left. */
int qbi_listener_open(struct qbi_listener *l);

/* Leave the loop, close, withdraw the name. Idempotent. */
void qbi_listener_close(struct qbi_listener *l);

#endif
