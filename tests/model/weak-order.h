/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In place of lib/ring/shared.h, by -include: each access of lib/ring/ring*.c to shared
 * memory becomes a call of weak-order.cc with the order that the source gives it. There the
 * words are atomics and the data are variables of a model of C11's memory, in which a
 * relaxed load may return an old value and an unordered access is found.
 *
 * Further down, what else the two ends in weak-order.c need from there.
 */
#ifndef QBI_RING_SHARED_H
#define QBI_RING_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#else
#include <stdatomic.h>
#endif

typedef uint32_t qbi_shared_u32;
typedef uint64_t qbi_shared_u64;

/* @order: a value of C's memory_order. */
uint32_t qbi_shared_load(qbi_shared_u32 *word, int order);
void qbi_shared_store(qbi_shared_u32 *word, uint32_t value, int order);
uint64_t qbi_shared_load64(qbi_shared_u64 *word, int order);
void qbi_shared_store64(qbi_shared_u64 *word, uint64_t value, int order);
uint64_t qbi_shared_exchange64(qbi_shared_u64 *word, uint64_t value, int order);
bool qbi_shared_replace64(qbi_shared_u64 *word, uint64_t expected, uint64_t value, int order);
void qbi_shared_read(void *to, const void *shared, size_t n);
void qbi_shared_write(void *shared, const void *from, size_t n);
void qbi_shared_move(void *to, const void *from, size_t n);

/* -- The ends, weak-order.c ------------------------------------------------------ */

#define END_MESSAGES 4
#define END_CAPACITY 40 /* the records have 16 and 24 bytes, in turn: two fit, some wrap */

enum end_word { END_TAIL, END_HEAD, END_PUT, END_TAKEN, END_PASSED, END_WORDS };

/* Only the addresses count. */
extern const void *const end_words[END_WORDS];
extern unsigned char end_data[END_CAPACITY];

/* Empty ring, both ends new. */
void ends_init(void);
void end_produce(void);
void end_consume_requests(void);
void end_consume_events(void);
/* After both: is each byte accounted for? */
void ends_check(uint64_t tail, unsigned int unread, bool events);

/* -- What they use, weak-order.cc ------------------------------------------------ */

/* Ends the search. */
void end_check(bool ok, const char *what);
bool end_choose(void);
/* Let the other end run. */
void end_yield(void);

/* The stream socket: one that sends sees to it that one that receives later sees what it
 * did before. */
void end_send(void);
int64_t end_receive(int64_t n); /* at most @n, without waiting */
void end_poll(void);		/* wait until there is a byte */

#ifdef __cplusplus
}
#endif

#endif
