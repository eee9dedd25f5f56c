/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that only finds out how long somebody has to wait for a CPU here.
 *
 * Who is blocked by a lock of the kernel waits as long as its holder, and a holder that loses
 * its CPU in the middle keeps the lock: as that of /dev/shm, which every service uses. The
 * account of the blocked thread does not show that. So, every now and then, the witness
 * computes for longer than the scheduler gives at once, and notes for how long it was ready
 * and had no CPU: what the machine does to the holder it does to the witness, which has the
 * same priority. On a machine with CPUs to spare that is nothing.
 */
#ifndef HOSTILE_WITNESS_H
#define HOSTILE_WITNESS_H

#include <stdint.h>

/* For main(): before the tests, and after them. */
void witness_begin(void);
void witness_end(void);

/* The longest wait of the witness since then (ns, monotonic clock), and shortly before. */
uint64_t witness_waited(uint64_t since);

/* In this process nobody has waited, from now on. */
void witness_dismiss(void);

#endif
