/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Either end of the handshake, by hand: what the library's own ends never do. */
#ifndef TEST_FAKE_H
#define TEST_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/handshake.h"

/* -- A client ------------------------------------------------------------------- */

/* A stream to the service @name that has said nothing. */
int fake_client(const char *name);
/* What asks for @abilities, with the mark. */
struct qbi_hello fake_hello(uint32_t abilities);
/* Send all of it. */
void fake_send(int fd, const void *data, size_t size);
/* Read until the other end is closed, into memory that the caller frees. */
uint8_t *fake_read_to_end(int fd, size_t *ret_size);

/* -- A server, in a child ---------------------------------------------------------- */

/* As a server of this library answers the question @abilities, but for what a test changes. */
struct qbi_welcome fake_welcome(uint32_t abilities);

struct fake_server {
	pid_t pid;
	char name[108];
};

/*
 * Answers each client that has sent 24 bytes with @size bytes of @answer and @n_fds
 * descriptors along with them, and closes. Without an answer it closes at once.
 */
void fake_server_start(struct fake_server *s, const void *answer, size_t size,
		       unsigned int n_fds);
/*
 * The same, with an answer of its own for each client; the last for all that follow.
 * @apart: each comes from a process of its own.
 */
void fake_server_start_each(struct fake_server *s, const void *answers, size_t stride,
			    const size_t *sizes, size_t n, bool apart);
/* The same, but it accepts nobody, and its queue is full. */
void fake_server_start_full(struct fake_server *s);
void fake_server_stop(struct fake_server *s);

#endif
