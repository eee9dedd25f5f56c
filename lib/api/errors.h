/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table that turns inner outcomes into what the public functions promise. */
#ifndef QBI_API_ERRORS_H
#define QBI_API_ERRORS_H

#include <sys/types.h>

/* Which family of calls asks: they name the same outcome differently. */
enum qbi_call {
	QBI_CALL_SEND,	     /* requests, responses, events */
	QBI_CALL_RECV,	     /* responses */
	QBI_CALL_EVENT_RECV, /* events */
};

/* @r: 0, an outcome or -errno. The bytes moved if it is 0, else -errno. */
ssize_t qbi_result(enum qbi_call call, int r, size_t size);

#endif
