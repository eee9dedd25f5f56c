/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What compat-server does with a request, by its id. Anything else: echo. */
#ifndef COMPAT_PROTOCOL_H
#define COMPAT_PROTOCOL_H

/*
 * Sent inside the callback, again and again while there is no room. Now and then comes one
 * that needs the room of all the others.
 */
enum {
	COMPAT_STRESS_EVENTS = 20000,
	COMPAT_STRESS_SMALL = 24,
	COMPAT_STRESS_LARGE = 131072,
};

#define COMPAT_STRESS_SIZE(id) ((id) % 1000 == 999 ? COMPAT_STRESS_LARGE : COMPAT_STRESS_SMALL)

enum {
	COMPAT_ECHO = 1,
	COMPAT_SILENT = 2,	    /* nothing */
	COMPAT_EVENT = 3,	    /* echo as an event */
	COMPAT_STRESS = 7000,	    /* a response, then COMPAT_STRESS_EVENTS, see there */
	COMPAT_EARLY_SIZE = 100,    /* of what is sent inside created */
	COMPAT_EVENT_MAX = 1 << 20, /* bytes of an event at most */
};

#endif
