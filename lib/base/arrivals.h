/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the messages of one peer come, and what it costs here to sleep until one does: so how
 * long is an end to busy-poll for the next one?
 *
 * Idea: two things are measured. After what time did each of the last sixteen messages come,
 * counted from when this end began to wait? And how long does a wake-up take on this machine,
 * from when the other end rang until this one runs? To ring, to stop and to start takes about as
 * much CPU time of both ends: that is what a sleep of a server costs. A client loses the time of
 * the wake-up as well, twice as much in all; and a response that a sleeping server makes comes
 * after one wake-up, so a shorter poll would miss it by a little. From that follows
 * what each length of a poll would have cost: the poll until the message came, or the whole
 * poll and a sleep. The length that would have cost least is the next one. Messages that come
 * later than a sleep costs are not worth a poll, so if most of them do, there is none.
 *
 * Who finds every message by polling measures no wake-up, and would go on for ever if the last
 * one was slow by chance: so a server whose polls are long sleeps once in a while.
 *
 * A few messages are assumed that are spread over the time that a sleep costs. They are all
 * there is at first, so the first poll is as long as a sleep costs; and a single late message
 * does not end polling.
 *
 * Owner: one per peer and direction, so what a peer does decides about polls for that peer
 * alone. Threads: one at a time.
 * Trust: the peer says when it rang. It can make this end believe in wake-ups of up to
 * QBI_ARRIVALS_WAKE_MAX_NS, and in messages that came soon after a poll gave up. What is polled
 * in vain for that reason is paid from the allowance (base/busy-poll.h), as all that is.
 */
#ifndef QBI_BASE_ARRIVALS_H
#define QBI_BASE_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

/* Four steps for each doubling, from a microsecond to 224; the last count is of later ones. */
#define QBI_ARRIVALS_STEPS 32

/* So many messages are remembered. */
#define QBI_ARRIVALS_KEPT 16

/* A wake-up, as long as none was measured, and the longest one that is believed. */
#define QBI_ARRIVALS_WAKE_NS 25000
#define QBI_ARRIVALS_WAKE_MAX_NS 100000

/* A wake-up by an end on the same CPU that does not say when it rang: a switch. */
#define QBI_ARRIVALS_SWITCH_NS 4000

/* So many messages that come late are polled for without a sleep. */
#define QBI_ARRIVALS_FOUND_MAX 256

/* Who waits, and for what. */
enum qbi_arrivals_of {
	QBI_ARRIVALS_OF_REQUESTS,
	QBI_ARRIVALS_OF_RESPONSES,
};

struct qbi_arrivals {
	enum qbi_arrivals_of of;
	uint8_t kept[QBI_ARRIVALS_KEPT];       /* steps of the last messages, a circle */
	uint8_t count[QBI_ARRIVALS_STEPS + 1]; /* how many of them are in each step */
	uint8_t n;			       /* how many there are */
	uint8_t next;			       /* where the next one goes */
	uint32_t wake;	 /* ns; what a wake-up takes; 0: none was measured */
	uint32_t found;	 /* polls that found a message late, since a wake-up was measured */
	uint32_t length; /* ns; the next poll; 0: sleep at once */
	uint32_t vain;	 /* ns that were polled before this end went to sleep */
	uint64_t began;	 /* when the wait began that ended in this sleep; 0: no sleep */
};

void qbi_arrivals_init(struct qbi_arrivals *a, enum qbi_arrivals_of of);

/* How long to poll for the next message, in ns; 0: sleep at once. */
static inline uint64_t qbi_arrivals_length(const struct qbi_arrivals *a)
{
	return a->length;
}

/* A message came so long after this end began to wait. */
void qbi_arrivals_note(struct qbi_arrivals *a, uint64_t after);

/* This end goes to sleep. It began to wait at @began, and polled in vain until @now. */
void qbi_arrivals_sleep(struct qbi_arrivals *a, uint64_t began, uint64_t now);

/*
 * A message woke this end, which runs again since @now. @rang: when the other end rang, as it
 * says; 0: it does not say, and nothing is measured. @same_cpu: the other end runs on the CPU of
 * this one. Then it has had the CPU, as it would have when this end had polled and yielded, and
 * that time counts no more than it does in a poll; if it is not too long to have been idle time.
 */
void qbi_arrivals_woken(struct qbi_arrivals *a, uint64_t now, uint64_t rang, bool same_cpu);

#endif
