/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds out what prevents the native wire in this process, by making the calls of its
 * transports step by step, on a small scale. The transports return only an errno; this
 * tells which call failed, after a failure or in advance.
 */
#ifndef QBI_TRANSPORT_TRIAL_H
#define QBI_TRANSPORT_TRIAL_H

#include <qb/qbipc_common.h>

#include "wire/why.h"

/*
 * Can a server in this process make and pass the descriptors of a client over that transport?
 * All zero: yes.
 */
struct qbi_why qbi_transport_trial_server(enum qb_ipc_type type);

/*
 * Can a client of this process use what it was passed, memfds first, then sockets? -1 are
 * passed over. All zero: yes. The descriptors stay the caller's.
 */
struct qbi_why qbi_transport_trial_client(const int *fds, unsigned int n);

#endif
