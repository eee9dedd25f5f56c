/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A false server, byte by byte and without the library: it makes everything that an honest
 * one would make, of either wire and transport, and a test spoils one thing of it before,
 * or after, the client gets it. The client is the library's, in the test's process, where
 * descriptors and mappings are counted; the server is another user, if the test may.
 *
 * A client is well served when its calls return within a bounded time, with an error
 * where there is one, and it has touched nothing that it did not verify.
 */
#ifndef HOSTILE_FALSE_H
#define HOSTILE_FALSE_H

#include <sys/types.h>

#include "tests/hostile/arena.h"

enum { TRUTH_FDS = 253, BODY_MOST = 1 << 20 };

/* All of an honest offer. */
struct truth {
	int variant;
	const char *name; /* of the service */
	int listener;	  /* for the bell */
	int stream;
	pid_t client;
	struct wire_hello hello; /* what the client said */
	struct wire_welcome welcome;
	int fds[TRUTH_FDS]; /* to go along with it */
	unsigned int n_fds;
	struct raw mine; /* our ends of all that; rings as of a raw client */
	char dir[128];	 /* libqb's wire: where the files are */
};

/* Runs in the server's process, for the one client there is. */
typedef void (*lie_fn)(struct truth *t, unsigned int which);

struct false_server {
	pid_t pid;
	char name[108];
	struct report *report;
};

/* The lie's name is that of the case, for the calls that are timed. */
#define false_begin(f, variant, lie, which) false_begin_named(f, variant, #lie, lie, which)
void false_begin_named(struct false_server *f, int variant, const char *name, lie_fn lie,
		       unsigned int which);
/* It ends by itself when the client has left. */
void false_end(struct false_server *f);
void false_kill(struct false_server *f);

/* For lies. The answer, with all its descriptors; only the first @size bytes of it. */
void truth_send(struct truth *t);
void truth_send_part(struct truth *t, size_t size);
/* The next request if there is one, and a message to the client, with its wake-up. */
ssize_t truth_take(struct truth *t, void *buf, size_t size);
int truth_put(struct truth *t, enum wire_channel channel, const void *msg, size_t size);
bool truth_client_left(struct truth *t);
/* The bell, when the client has joined it; else -1. */
int truth_bell(struct truth *t);
/* Serve the client until it leaves: echo. */
void truth_serve(struct truth *t);

/* The client's side: connect is refused, in time. */
void client_must_be_refused(int variant, lie_fn lie, unsigned int which);
/* Connect; then send and receive a few times, whatever comes of it. */
#define client_must_survive(variant, lie, which)                                               \
	client_must_survive_named(variant, #lie, lie, which)
void client_must_survive_named(int variant, const char *name, lie_fn lie, unsigned int which);

#endif
