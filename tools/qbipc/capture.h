/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of recorded messages: pcapng, one packet per record (docs/recording.md).
 *
 * Trust: a file may hold anything. It is read block by block into memory of bounded size.
 */
#ifndef TOOL_CAPTURE_H
#define TOOL_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <qbipc/monitor.h>

/* Begin a file with the records of the service @name. False: cannot write, see errno. */
bool capture_begin(FILE *f, const char *name);

/* @realtime_ns: when, since 1970. Likewise. */
bool capture_write(FILE *f, const struct qbipc_monitor_record *r, uint64_t realtime_ns);

/* A block is no longer than that, nor has a section more interfaces. */
enum { CAPTURE_BLOCK_MAX = 1 << 20, CAPTURE_INTERFACES = 64 };

/* A service shows no more bytes of a message: more than that cannot be recorded. */
enum { CAPTURE_MESSAGE_MAX = 65536 };

/* An interface of the file: where packets come from. */
struct capture_interface {
	bool ours;
	uint64_t ticks_per_s; /* of its times */
};

struct capture {
	FILE *f;
	bool swapped; /* the section is of a machine of the other byte order */
	bool in_section;
	uint64_t packets;  /* so far; a message about one says its number */
	const char *error; /* what is wrong with the file */
	unsigned int n_interfaces;
	struct capture_interface interface[CAPTURE_INTERFACES];
	uint8_t block[CAPTURE_BLOCK_MAX];
};

/* NULL without memory. @f stays the caller's. */
struct capture *capture_new(FILE *f);

/*
 * The next record. 1; 0: the end; -1: c->error says why. Its time is since 1970, its data good
 * until the next call. Packets of others are passed over.
 */
int capture_read(struct capture *c, struct qbipc_monitor_record *r);

#endif
