/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A page: what a service sends after its answer to some questions, a head and records of one
 * size. If there are more records than one page has, the client asks again, for those behind
 * the last one. Pure; no I/O.
 *
 * New fields are only added at the end of head and record, and the head states both sizes.
 * A reader ignores fields that it does not know.
 */
#ifndef QBI_WIRE_PAGE_H
#define QBI_WIRE_PAGE_H

#include <stddef.h>
#include <stdint.h>

/* A reader accepts at most so many bytes as head and records of a page. */
#define QBI_PAGE_MAX (4u << 20)

/* How each head begins. */
struct qbi_page {
	uint32_t mark;	      /* of its kind */
	uint32_t head_size;   /* bytes of the head, this beginning included */
	uint32_t record_size; /* bytes of each record */
	uint32_t records;     /* that follow */
};

_Static_assert(sizeof(struct qbi_page) == 16, "begin of a page");

/*
 * The number of bytes after this beginning; -EBADMSG: it is of another kind, its sizes are
 * below those given, or it is too large.
 */
int64_t qbi_page_rest(const struct qbi_page *page, uint32_t mark, size_t head_size,
		      size_t record_size);

#endif
