/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listening socket of a service. Each wake-up accepts one client, and discards clients
 * that have left already. The listener never spins: when descriptors run out, it closes an
 * unfinished handshake to make room for the next client, or uses a spare descriptor to
 * accept and close that client. If even that fails, or if accept(2) fails for a reason
 * that concerns no client, the listener rests: it pauses, longer each time, and then
 * continues by itself.
 */
#ifndef QBI_SERVER_LISTENER_H
#define QBI_SERVER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "server/deadlines.h"
#include "server/host.h"

struct qbi_listener {
	struct qbi_host *host; /* of the service */
	int fd;		       /* -1: not listening */
	int spare;	       /* closed at EMFILE to accept one client; -1: none */
	bool in_loop;
	struct qbi_deadline rest;   /* set: the end of a rest, outside of the loop */
	uint64_t rest_ns;	    /* length of the last rest; 0: accept works */
	int refused_with;	    /* errno of the last rest, already logged; 0: none */
	struct sockaddr_un address; /* a path is unlinked at the end; unset if adopted */
};

void qbi_listener_init(struct qbi_listener *l, struct qbi_host *h);

/*
 * Use @fd, a socket that another process bound and made listen, and close it at the end.
 * To be called before qbi_listener_open(). 0; -EBADF, -ENOTSOCK, -EPROTOTYPE, -EINVAL it is
 * no such socket; -EBUSY. After an error the caller still owns @fd.
 */
int qbi_listener_adopt(struct qbi_listener *l, int fd);

/* Bind and listen unless a socket was adopted; join the loop. 0; -errno: nothing is left. */
int qbi_listener_open(struct qbi_listener *l);

/* Leave the loop, close the socket, remove the name. Idempotent. */
void qbi_listener_close(struct qbi_listener *l);

#endif
