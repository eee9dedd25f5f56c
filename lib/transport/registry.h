/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transports there are, and which one is for whom.
 *
 * Threads: any.
 */
#ifndef QBI_TRANSPORT_REGISTRY_H
#define QBI_TRANSPORT_REGISTRY_H

#include <qb/qbipc_common.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"
#include "wire/handshake.h"

/*
 * May this process use the native wire? The environment variable QBIPC_NATIVE=0 and the
 * setter say no; connections that are up stay as they are. If neither says anything: not where
 * overcommit is forbidden (vm.overcommit_memory=2) when this is asked first. The kernel then
 * gives no page beyond what it has, and memory of the native wire, whose pages the other end can
 * take out, is not guarded against the fault.
 */
void qbi_transport_native_set(bool on);

/* Why it may not: a code of enum qbipc_why, @off if it was switched off. */
uint8_t qbi_transport_why_not_native(uint8_t off);

/* The highest version of the native wire that may be used, 0 none: goes into the hello. */
uint32_t qbi_transport_version(void);

/* Registered transports, best first: @index from 0; NULL after the last. */
const struct qbi_transport *qbi_transport_nth(size_t index);

/*
 * The best one for a service of @type and a client that said @hello, or NULL. Without
 * @native only one of libqb's wire.
 */
const struct qbi_transport *qbi_transport_for_service(enum qb_ipc_type type,
						      const struct qbi_hello *hello,
						      bool native);

/* The one that the server chose, or NULL when it is not known here. */
const struct qbi_transport *qbi_transport_for_welcome(const struct qbi_welcome *welcome);

/* Is there any transport for a service of this type? */
bool qbi_transport_has_type(enum qb_ipc_type type);

#endif
