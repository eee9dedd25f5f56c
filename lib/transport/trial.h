/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What keeps a process from the native wire, found out by doing in small what its
 * transports do, step by step. They themselves say no more than an errno; this tells which
 * call it was, after one has failed or before anybody tries.
 */
#ifndef QBI_TRANSPORT_TRIAL_H
#define QBI_TRANSPORT_TRIAL_H

#include "wire/why.h"

/* Can a server of this process make what it passes to a client, and pass it? All zero: yes. */
struct qbi_why qbi_transport_trial_server(void);

/*
 * Can a client of this process use what it was passed, memfds first, then sockets? -1 are
 * passed over. All zero: yes. The descriptors stay the caller's.
 */
struct qbi_why qbi_transport_trial_client(const int *fds, unsigned int n);

#endif
