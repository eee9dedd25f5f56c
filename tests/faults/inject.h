/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of the library that fail on demand. The program is linked with --wrap for each
 * function in tests/faults/wrapped, so that a call of the library's objects comes here
 * first. While one end of a connection is armed its calls are counted; the one that was
 * chosen fails, in one of the ways in which that function can.
 *
 * One thread plays both ends. Where one of them would sleep, the other one acts.
 */
#ifndef TEST_INJECT_H
#define TEST_INJECT_H

#include <stdbool.h>

/* The @call-th counted call from now on, from 0, fails in the @way-th way. -1: none. */
void inject_begin(int call, int way);

/* Nothing fails from now on. What happened? */
enum inject_outcome {
	INJECT_NO_SUCH_CALL,
	INJECT_NO_SUCH_WAY, /* the call was reached and has fewer ways to fail */
	INJECT_DONE,
};
enum inject_outcome inject_end(void);

/* What failed and how, for people; and with which errno, 0 if it did half its work. */
const char *inject_description(void);
int inject_errno(void);

/* From here to the next call with false, calls belong to the end under test. Nests. */
void inject_armed(bool on);

/* While it is paused nothing is counted and nothing fails. */
void inject_pause(bool on);

/* Where a call would sleep: the other end's turn. */
extern void (*inject_instead_of_sleep)(void);

/* For functions of the test that stand for something that can fail. */
bool inject_here(const char *name, int error);

/* Blocks of memory that were allocated and not freed. */
long inject_live_blocks(void);

/* The name of an error number where the C library tells (2.32), else what it means. */
const char *inject_error_name(int error);

#endif
