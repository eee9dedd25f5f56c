/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A description: the table of handlers of a service, as it is sent to a client that asks for
 * it, in pages (page.h). Records are in the order of their ids, each once.
 */
#ifndef QBI_WIRE_DESCRIPTION_H
#define QBI_WIRE_DESCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#define QBI_DESCRIPTION_MARK 0x31444951u /* "QID1" */
/* Most records of a page, for the reasons of QBI_SNAPSHOT_RECORDS. */
#define QBI_DESCRIPTION_RECORDS 1024u
/* A reader accepts at most so many handlers. */
#define QBI_DESCRIPTION_HANDLERS (1u << 16)
/* Bytes of a name, terminator included: as many as C guarantees to tell names apart. */
#define QBI_DESCRIPTION_NAME 64

/* Flags of the head. */
#define QBI_DESCRIPTION_OTHERS 0x1u   /* msg_process takes messages without a handler */
#define QBI_DESCRIPTION_SELECTOR 0x2u /* a function of the application chooses first */

struct qbi_description_head {
	uint32_t mark;	      /* QBI_DESCRIPTION_MARK */
	uint32_t head_size;   /* bytes of this struct */
	uint32_t record_size; /* bytes of each record */
	uint32_t records;     /* that follow */
	uint32_t more;	      /* 1: there are handlers behind those of this page */
	int32_t service_id;   /* as the application gave it */
	uint32_t handlers;    /* that are registered */
	uint32_t flags;	      /* QBI_DESCRIPTION_ */
};

struct qbi_description_record {
	int32_t id;			 /* of the messages */
	uint32_t flags;			 /* QBIPC_HANDLER_ONE_WAY */
	uint64_t min_size;		 /* bytes of the shortest message */
	char name[QBI_DESCRIPTION_NAME]; /* NUL-terminated, cut if longer; empty: none */
};

_Static_assert(sizeof(struct qbi_description_head) == 32, "head of a description");
_Static_assert(sizeof(struct qbi_description_record) == 80, "record of a description");

/* The place of an id in the order: what a client asks for handlers from. */
static inline uint32_t qbi_description_place(int32_t id)
{
	return (uint32_t)id ^ 0x80000000u;
}

static inline int32_t qbi_description_id(uint32_t place)
{
	return (int32_t)(place ^ 0x80000000u);
}

#endif
