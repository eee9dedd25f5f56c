/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two poll loops for a server under test, behind one interface:
 *
 *   qb-loop    the built-in loop; a negative return removes a descriptor
 *   glib-like  poll(2) with GLib's manners: any non-zero return drops the source,
 *              no job_add, mod makes a new source, and the loop runs in another
 *              thread than the one that created the service
 *
 * Both record what the library does with its descriptors and report a violation
 * of the poll contract: mod or del of something that is not in the loop, a
 * descriptor closed while still in the loop, an addition of one that is already in,
 * a dispatch function that says "gone" of one that is still in.
 *
 * One loop per process: the library's poll handlers carry no argument of ours.
 */
#ifndef TEST_ADAPTER_H
#define TEST_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <qb/qbipcs.h>

struct adapter {
	const char *name;
	bool own_thread; /* run() in a thread of its own */
	struct qb_ipcs_poll_handlers handlers;
	void (*prepare)(void); /* makes what is kept for good, uncounted; may be NULL */
	void (*open)(void);
	void (*run)(void);  /* returns after stop() */
	void (*stop)(void); /* called from a dispatch function */
	void (*close)(void);
	/* A descriptor of the test's own, outside the contract's book-keeping. */
	void (*watch)(int fd, qb_ipcs_dispatch_fn_t fn, void *data);
	void (*unwatch)(int fd);
};

extern const struct adapter adapter_qb_loop;
extern const struct adapter adapter_glib_like;

/* One descriptor that the library put into the loop. */
struct registration {
	struct registration *next;
	int fd;
	bool live;
	ino_t ino;
	int32_t events;
	enum qb_loop_priority priority;
	void *data;
	qb_ipcs_dispatch_fn_t fn;
};

/* Book-keeping shared by the adapters. Everything runs in the loop's thread once
 * that runs; before, in the one that creates the service. */
struct registration *registration_add(enum qb_loop_priority p, int fd, int32_t events,
				      void *data, qb_ipcs_dispatch_fn_t fn);
/* The live one of @fd, or NULL and a violation that names @what. */
struct registration *registration_find(int fd, const char *what);
void registration_end(struct registration *r);
struct registration *registration_first(void);
/* Calls the library and checks what comes back. */
int32_t registration_dispatch(struct registration *r, int32_t revents);
/* Are the live ones still the files that were added? Then forget all that ended. */
void registration_audit(void);
void registration_clear(void);

/* Live registrations, and totals since the start. */
struct adapter_counts {
	int live;
	int adds;
	int mods;
	int dels;
	int dispatches;
};
extern struct adapter_counts adapter_counts;

/* The first violation, or an empty string. */
const char *adapter_violation(void);

#endif
