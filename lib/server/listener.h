/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listening socket of a service and the way in: accept one client per wake-up,
 * and when descriptors run out give up a spare one to turn the next client away, so
 * that the listener never spins and service resumes by itself.
 */
#ifndef QBI_SERVER_LISTENER_H
#define QBI_SERVER_LISTENER_H

#include <stdbool.h>
#include <sys/un.h>

struct qb_ipcs_service;

struct qbi_listener {
	int fd;				/* -1: not listening */
	int spare;			/* given up at EMFILE; -1: none */
	bool in_loop;
	bool exhausted;			/* out of descriptors, said so once */
	struct sockaddr_un address;	/* a path is unlinked at the end */
};

#define QBI_LISTENER_INIT { .fd = -1, .spare = -1 }

/* Bind, listen, join the loop. 0 or -errno; on failure nothing is left. */
int qbi_listener_open(struct qb_ipcs_service *s);

/* Leave the loop, close, withdraw the name. Twice is once. */
void qbi_listener_close(struct qb_ipcs_service *s);

#endif
