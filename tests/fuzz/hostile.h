/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients that speak both wires by hand, in the process of the server: they connect, send
 * bytes and descriptors, write into what is shared, truncate files, and leave. What each
 * does is read from the input. The server takes some of them for other users, since
 * getsockopt() is wrapped (fuzz_server_wrapped in local.mk).
 *
 * A mapping of what the server sent is never touched behind the end of its file, which
 * other clients of the kind may have cut off.
 */
#ifndef TEST_FUZZ_HOSTILE_H
#define TEST_FUZZ_HOSTILE_H

#include <stddef.h>
#include <sys/types.h>

#include "tests/fuzz/fuzz.h"

enum { HOSTILE = 4, HOSTILE_MAPS = 6, HOSTILE_LARGEST = 200000, BODY_MOST = 300000 };

struct hostile {
	int fd;	    /* -1: none */
	int fds[4]; /* that came, and one that was joined */
	unsigned int n_fds;
	uint64_t number; /* of the answer */
	struct {
		unsigned char *at;
		size_t size;
		int fd; /* of a file, to truncate it; else -1 */
	} map[HOSTILE_MAPS];
	unsigned int n_maps;
	bool sent_itself;
};

extern struct hostile hostile[HOSTILE];

/* For an input; @service is who they connect to. */
void hostile_begin(const char *service);

void hostile_connect(struct hostile *h, uint8_t how);
void hostile_read(struct hostile *h);
void hostile_send(struct hostile *h, struct input *in, uint8_t how);
void hostile_write(struct hostile *h, struct input *in, uint8_t how);
void hostile_record(struct hostile *h, struct input *in);
void hostile_truncate(struct hostile *h, uint8_t how);
/* Joins a bell, with its number or nearly, if it has none. */
void hostile_join(struct hostile *h, uint8_t how);
void hostile_close(struct hostile *h);

/* How many there are, and those which are held open by descriptors under way. */
unsigned int hostile_count(void);

/* What they hold: descriptors at most, and bytes of mappings. */
unsigned int hostile_fds(void);
size_t hostile_mapped(void);

#endif
