/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client sends through native shared memory: operations of the contract (transport.h), and
 * the bodies and wake-ups behind them.
 */
#ifndef QBI_TRANSPORT_NATIVE_SHM_CLIENT_REQUESTS_H
#define QBI_TRANSPORT_NATIVE_SHM_CLIENT_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"

int qbi_native_shm_client_sendv(void *st, const struct qbi_msg *msg, uint64_t deadline);
int qbi_native_shm_client_reserve(void *st, size_t size, uint64_t deadline, void **ret);
int qbi_native_shm_client_commit(void *st, size_t reserved, size_t size, uint64_t deadline);
void qbi_native_shm_client_abandon(void *st);
int qbi_native_shm_client_call_sendv(void *st, const struct qbi_msg *msg,
				     struct qbi_call_mark *mark);
int qbi_native_shm_client_cancel(void *st, const struct qbi_call_mark *mark);
int qbi_native_shm_client_flush(void *st);

/* As resume() of the part that sends. */
int qbi_native_shm_client_resume_sending(void *st);

#endif
