/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What else a program might use to talk to another one on the same machine, on the same
 * work: calls of 64 bytes, and messages of 64 bytes without answers.
 *
 *   other-NAME [--time MS] roundtrip-64|oneway-64
 *
 * One file per kind fills a struct other; main() is in other.c. The process forks: the
 * child serves until it is asked to quit. Each of the two that talk moves to a CPU of its
 * own when it is open; threads that a kind has started by then stay where they like.
 */
#ifndef BENCH_OTHER_H
#define BENCH_OTHER_H

#include "../figures.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OTHER_SIZE 64

enum other_kind {
	OTHER_CALL, /* answered by a copy of itself */
	OTHER_POST, /* not answered */
	OTHER_QUIT, /* answered, and the last one */
};

struct other_message {
	unsigned char kind;
	unsigned char bytes[OTHER_SIZE - 1];
};

/* All of it dies on failure. */
struct other {
	/* Before the fork; may be NULL. */
	void (*prepare)(void);
	/* In each of the two processes. */
	void (*open)(int serving);
	/* Waits while there is no room. */
	void (*send)(const struct other_message *msg);
	/* Waits for a message. */
	void (*receive)(struct other_message *msg);
	/* Send and get the answer; NULL: by the two above. */
	void (*call)(struct other_message *msg);
	/* Answer until told to quit; NULL: by the two above. */
	void (*serve)(void);
};

/* Defined by the file of each kind. */
extern const struct other other;

#ifdef __cplusplus
}
#endif

#endif
