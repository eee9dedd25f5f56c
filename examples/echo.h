/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages that echo-server and echo-client exchange. */
#ifndef EXAMPLES_ECHO_H
#define EXAMPLES_ECHO_H

#include <qb/qbipc_common.h>

#define ECHO_NAME "qbipc-echo"
#define ECHO_MAX_SIZE (1024 * 1024)

enum echo_id {
	ECHO_REQUEST = QB_IPC_MSG_USER_START, /* the response has the same payload */
	ECHO_WANT_EVENTS,		      /* the response, then so many events */
	ECHO_EVENT,
};

/* Both directions use the larger header, so that a response can be its request. */
struct echo_message {
	struct qb_ipc_response_header header;
	uint32_t n_events; /* ECHO_WANT_EVENTS: how many; ECHO_EVENT: which */
	char payload[];
};

#endif
