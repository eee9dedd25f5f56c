/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What several attacks are made of. */
#ifndef HOSTILE_TOOLS_H
#define HOSTILE_TOOLS_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/hostile/arena.h"
#include "tests/lib/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A connection on which the server has answered: both ends are where they say. */
void working_connect(struct arena *a, struct raw *p);

/* What the server has counted there (arena.h). */
uint64_t arena_slot(const struct arena *a, int which);

/* @size bytes of which the header says @said. The caller frees. */
struct request *request_make(int32_t id, int32_t said, size_t size);

/* A thread that writes two values to one word in turn, as fast as it can. */
struct flipping {
	unsigned char *at;
	uint64_t one, other;
	bool wide; /* 64 bits, not 32 */
	atomic_bool stop;
	pthread_t thread;
};
void flip_begin(struct flipping *f);
void flip_end(struct flipping *f);

void random_fill(unsigned char *at, size_t size);

/* A connected TCP socket that has more to send than the other end takes, and whose
 * close would wait for it for a minute. *@ret_other is the other end. */
int lingering_socket(int *ret_other);

#endif
