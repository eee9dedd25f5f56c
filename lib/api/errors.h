/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only table that turns outcomes into the errno of public functions. */
#ifndef QBI_API_ERRORS_H
#define QBI_API_ERRORS_H

#include <sys/types.h>

/* The kind of the call, because kinds have different values for one outcome. */
enum qbi_call {
	QBI_CALL_SEND,	     /* requests, responses, events */
	QBI_CALL_RECV,	     /* responses */
	QBI_CALL_EVENT_RECV, /* events */
};

/* @r: 0, an outcome or -errno. Returns @size if @r is 0, otherwise -errno. */
ssize_t qbi_result(enum qbi_call call, int r, size_t size);

#endif
