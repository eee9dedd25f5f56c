/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop that a server runs in, of which a process has one. All functions die on failure.
 *
 * peer-* know two by name: the built-in one and a plain poll(2). peer-qbipc-LOOP have another
 * library's, by the adapter of that library, and no other.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <qb/qbipcs.h>
#include <stdint.h>

struct bench_loop {
	void (*open)(void);
	void (*attach)(qb_ipcs_service_t *service);
	/* Call @fn when there is something to read. */
	void (*watch)(int fd, qb_ipcs_dispatch_fn_t fn);
	void (*run)(void); /* returns after stop() */
	void (*stop)(void);
	void (*close)(void); /* the service has been destroyed */
};

extern const struct bench_loop bench_loop_builtin, bench_loop_poll;

/* NULL: there is none of that name. */
const struct bench_loop *bench_loop_find(const char *name);

#endif
