/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a client waits for an event in native shared memory, and takes it.
 */
#ifndef QBI_TRANSPORT_NATIVE_SHM_CLIENT_EVENTS_H
#define QBI_TRANSPORT_NATIVE_SHM_CLIENT_EVENTS_H

#include "transport/native-shm-client-end.h"

/* 0, QBI_EMPTY, QBI_GONE, -errno; QBI_AGAIN only a copy is possible. */
int qbi_native_shm_event_await(struct qbi_native_shm_client *c,
			       const struct qbi_native_shm_target *to, uint64_t deadline,
			       size_t *ret_size);

#endif
