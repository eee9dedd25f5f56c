/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What compat-server does with a request, by its id. Anything else: echo. */
#ifndef COMPAT_PROTOCOL_H
#define COMPAT_PROTOCOL_H

enum {
	COMPAT_ECHO = 1,
	COMPAT_SILENT = 2,		/* nothing */
	COMPAT_EVENT = 3,		/* echo as an event */
	COMPAT_EARLY_SIZE = 100,	/* of the events sent inside created */
	COMPAT_EVENT_MAX = 1 << 20,	/* bytes of an event at most */
};

#endif
