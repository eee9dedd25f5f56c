/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that speaks both wires byte by byte and uses nothing of the library. It can
 * behave (raw_send, raw_receive) and it hands out all that it was given, so that a test
 * can do anything else with it.
 *
 * Functions without a result fail the test when they cannot do what they say; those
 * with one return 0 or more, or a negative errno.
 */
#ifndef HOSTILE_RAW_H
#define HOSTILE_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/hostile/wire.h"

enum { RAW_FDS = 8 };

/* One ring of either kind. */
struct raw_ring {
	unsigned char *words; /* native: of this ring; else the header file */
	unsigned char *data;
	uint64_t size; /* of the data, bytes */
	uint64_t at;   /* where we are: native bytes, else a word index */
	int files[2];  /* libqb's wire: header, data; -1 */
	char path[2][128];
};

struct raw {
	int stream;
	bool native;
	int type; /* WIRE_SOCKETS or WIRE_MEMORY */
	uint32_t max_msg_size;
	struct wire_welcome welcome;
	int fds[RAW_FDS]; /* as they came: see docs/protocol.md; then the bell, if there is one */
	unsigned int n_fds;
	unsigned char *memory; /* the common one, or the control file */
	size_t memory_size;
	unsigned char *sent; /* native: what the server sends, for reading */
	size_t sent_size;
	struct raw_ring ring[CHANNELS];
	int response; /* libqb's wire, sockets: ours */
	int event;
};

/* What a test of the transport @variant of tests/lib/variant.h is to speak. */
struct raw_wish {
	const char *service;
	bool native;
	uint32_t max_msg_size;
};

/* A connected stream, nothing said yet. -errno. */
int raw_dial(const char *service);
struct wire_hello raw_hello(bool native, uint32_t max_msg_size);
/* A peer on that stream: for handshakes by hand. */
void raw_begin(struct raw *p, int stream);
/* Reads the answer: 0, -errno; -ECONNRESET when the stream ended before. */
int raw_welcome(struct raw *p);
/* Opens all that the answer names or brought. */
void raw_open(struct raw *p);
/* A first message that joins a bell, and a stream that has sent it. -errno. */
struct wire_hello raw_join_hello(uint64_t number);
int raw_join(const char *service, uint64_t number);
/* Joins the bell of an open connection, if it is of the kind that has one. */
void raw_bell(struct raw *p, const char *service);
/* Of the descriptors that came: those before it are memory. */
unsigned int raw_first_socket(const struct raw *p);
/* From nothing to an open connection. */
void raw_connect(struct raw *p, const struct raw_wish *wish);
/* The same; -errno when the server says no. */
int raw_try_connect(struct raw *p, const struct raw_wish *wish);
/* Gives everything back. Files stay for the server to remove. */
void raw_close(struct raw *p);
/* As the end of a process: the descriptors go, mappings are kept in @p. */
void raw_hang_up(struct raw *p);

/* Honest use: a request with its wake-up, the next response, and both, checked. */
int raw_send(struct raw *p, const void *msg, size_t size);
ssize_t raw_receive(struct raw *p, void *buf, size_t size);
void raw_call(struct raw *p, int32_t id, size_t size);

/* Parts of that. */
int raw_queue(struct raw *p, const void *msg, size_t size);
/* The next message of @channel if there is one: its size, -EAGAIN, -errno. */
ssize_t raw_take(struct raw *p, enum wire_channel channel, void *buf, size_t size);
void raw_wake(struct raw *p, size_t n);
/* A native record or a chunk whose header says something else than what follows. */
void raw_queue_lie(struct raw *p, uint32_t length, uint32_t kind, const void *msg, size_t size);

/* The server closes the connection, within the deadline. */
void raw_must_be_dropped(struct raw *p);
bool raw_is_dropped(struct raw *p);
/* @n descriptors along with @size bytes on any socket. 0, -errno. */
int raw_pass(int socket, const int *fds, unsigned int n, const void *bytes, size_t size);

void put_u32(unsigned char *at, uint32_t value);
void put_u64(unsigned char *at, uint64_t value);
uint32_t get_u32(const unsigned char *at);
uint64_t get_u64(const unsigned char *at);

#endif
