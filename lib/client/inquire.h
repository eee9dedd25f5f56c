/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions to a service instead of a connection: which process serves the name, what are
 * the counters, which messages does it take.
 *
 * Trust: any process may answer. The answer is read to memory of bounded size, descriptors
 * with it are closed without waiting, and nothing takes longer than the deadline.
 */
#ifndef QBI_CLIENT_INQUIRE_H
#define QBI_CLIENT_INQUIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/unfinished.h"
#include "wire/handshake.h"
#include "wire/page.h"
#include "wire/description.h"
#include "wire/monitor.h"
#include "wire/snapshot.h"

struct qbi_inquiry {
	struct qbi_welcome welcome; /* checked, but for @error */
	struct ucred server;	    /* its sender */
	uint64_t answer_ns;	    /* time from connecting to its last byte */
	size_t size;		    /* bytes of @welcome so far */
	size_t n_fds;		    /* descriptors that came with them */
	struct qbi_why obstacle;    /* to using these as a connection would; all zero: none */
	int stream;		    /* for the data that follows; -1: none */
	struct qbi_unfinished asking;
	int cancel_state; /* of the caller */
	char *page;	  /* while it is read; NULL: none */
};

/*
 * NULL without memory. It is too large for the stack of a thread. Until it is freed, the
 * thread can be cancelled only while it waits.
 */
struct qbi_inquiry *qbi_inquiry_new(void);
void qbi_inquiry_free(struct qbi_inquiry *q);
static inline void qbi_inquiry_freep(struct qbi_inquiry **q)
{
	qbi_inquiry_free(*q);
}

/*
 * Ask the service of that name, or at the path @name if it has a slash. 0 an answer has
 * come, which may be a refusal; -ETIMEDOUT, -ECONNRESET, -EBADMSG, another -errno.
 */
int qbi_inquire(struct qbi_inquiry *q, const char *name, const struct qbi_hello *question,
		uint64_t deadline);

/* Did the service understand the question? If not, it has made a connection. */
bool qbi_inquiry_is_answered(const struct qbi_inquiry *q, uint32_t question);

/* A snapshot, assembled from pages. All zeros: empty. The caller frees its memory. */
struct qbi_snapshot {
	struct qbi_snapshot_head head;	     /* of the first page */
	struct qbi_snapshot_record *records; /* of all pages, with decreasing numbers */
	uint32_t count;
};

/*
 * Read the page after the answer to QBI_ABILITY_WATCH, and add it to @s. 1: there are more
 * pages, of connections below the last one of @s; 0: this was the last one; -EBADMSG,
 * -ETIMEDOUT, -ECONNRESET, -ENOMEM, another -errno.
 */
int qbi_inquiry_snapshot(struct qbi_inquiry *q, uint64_t deadline, struct qbi_snapshot *s);

/* A description, likewise. */
struct qbi_description {
	struct qbi_description_head head;	/* of the first page */
	struct qbi_description_record *records; /* of all pages, with increasing ids */
	uint32_t count;
};

/*
 * The same after the answer to QBI_ABILITY_DESCRIBE. 1: there are more pages, of handlers
 * behind the last one of @d.
 */
int qbi_inquiry_description(struct qbi_inquiry *q, uint64_t deadline,
			    struct qbi_description *d);

/* After the answer to QBI_ABILITY_MONITOR and a wish: the head. 0, -EBADMSG and so on. */
int qbi_inquiry_monitor(struct qbi_inquiry *q, uint64_t deadline,
			struct qbi_monitor_head *head);

#endif
