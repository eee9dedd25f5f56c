/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the files of the raw peer. */
#ifndef HOSTILE_RAW_WIRES_H
#define HOSTILE_RAW_WIRES_H

#include <sys/un.h>

#include "tests/hostile/raw.h"

/* NUL, @name, NULs to the end. */
void raw_address(struct sockaddr_un *address, const char *name);

void native_memory_open(struct raw *p);
void native_sockets_open(struct raw *p);
void qb_memory_open(struct raw *p);
void qb_sockets_open(struct raw *p);

/* One message into the ring of @channel, whoever that belongs to. @ret_ring: the other
 * end sleeps. 0, -EAGAIN full. */
int native_put(struct raw *p, enum wire_channel channel, const struct native_record *record,
	       const void *msg, size_t size, bool *ret_ring);
ssize_t native_take(struct raw *p, enum wire_channel channel, void *buf, size_t size);
int qb_put(struct raw *p, enum wire_channel channel, uint32_t length, uint32_t magic,
	   const void *msg, size_t size);
ssize_t qb_take(struct raw *p, enum wire_channel channel, void *buf, size_t size);

#endif
