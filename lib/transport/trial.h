/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds out what prevents the native wire in this process: makes the system calls of its
 * transports one by one, with little memory. The transports return only an errno; this also
 * tells which call failed, after a failure or in advance.
 */
#ifndef QBI_TRANSPORT_TRIAL_H
#define QBI_TRANSPORT_TRIAL_H

#include <qb/qbipc_common.h>

#include "transport/transport.h"
#include "wire/why.h"

/* Descriptors like those that a client is passed, in the same order. */
struct qbi_trial {
	int fds[QBI_REPLY_FDS_MAX];
	unsigned int n;
};

/*
 * Can a server in this process make and pass the descriptors that a client of that transport
 * needs? All zero: yes; then, if @ret_trial is not NULL, it has such descriptors, and the
 * caller releases them.
 */
struct qbi_why qbi_transport_trial_server(enum qb_ipc_type type, struct qbi_trial *ret_trial);
void qbi_trial_release(struct qbi_trial *trial);

/*
 * Can a client in this process use the descriptors that it was passed, memfds first, then
 * sockets? Entries of -1 are skipped. All zero: yes. The caller keeps the descriptors.
 */
struct qbi_why qbi_transport_trial_client(const int *fds, unsigned int n);

#endif
