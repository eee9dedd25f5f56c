/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of the server's end of native shared memory, for its files. */
#ifndef QBI_TRANSPORT_NATIVE_SHM_SERVER_END_H
#define QBI_TRANSPORT_NATIVE_SHM_SERVER_END_H

#include <stdbool.h>
#include <stdint.h>

#include "base/body.h"
#include "base/busy-poll.h"
#include "ring/region.h"
#include "transport/transport.h"

struct qbi_native_shm_server {
	bool opened;
	int stream; /* borrowed */
	int bell;   /* wakes the client for responses; until it joins, keeps the place */
	bool has_bell;
	bool in_place; /* large requests are */
	struct qbi_region region;
	struct qbi_ring request;
	struct qbi_ring response;
	struct qbi_ring event;
	struct qbi_server_shared *shared;
	uint64_t due_responses; /* bytes to send: the kernel had no room */
	uint64_t due_events;
	struct qbi_arrivals requests;	    /* when they come */
	bool asleep;			    /* armed, with nothing to take */
	bool readable;			    /* by the loop, and nothing was read since */
	uint64_t waiting_since;		    /* start of busy polling; 0: not polling */
	uint64_t woken;			    /* when the dispatch began that found it asleep */
	uint64_t slice_left;		    /* ns left to poll in this dispatch */
	uint64_t noted;			    /* deadline, or number, that was taken last */
	struct qbi_body body;		    /* that the client is sending */
	struct qbi_rest rest[QBI_CHANNELS]; /* of bodies on their way to it */
};

#endif
