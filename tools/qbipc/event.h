/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOL_EVENT_H
#define TOOL_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcc.h>

/*
 * Wait for an event of the service @name. TOOL_OK; or the exit status, and why was reported.
 */
int event_receive(qb_ipcc_connection_t *c, const char *name, int32_t timeout_ms, void *buf,
		  size_t size, size_t *ret_size);

#endif
