/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What went wrong in one of the processes of a test: the first of them to fail says why
 * in memory that all share, and ends; the test's own process makes that the failure of
 * the test. Only that process uses Check.
 */
#ifndef HOSTILE_REPORT_H
#define HOSTILE_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "tests/lib/deadline.h"

struct report {
	atomic_int state; /* 0 fine, 1 being written, 2 failed */
	char text[400];
};

/* Of the running test. */
extern struct report *the_report;

/* Ends this process. */
void report_failure(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn));
/* In the test's process: fail if anybody has. */
void report_check(void);

#define REQUIRE_MSG(condition, ...)                                                            \
	do {                                                                                   \
		if (!(condition))                                                              \
			report_failure(__FILE__, __LINE__, __VA_ARGS__);                       \
	} while (0)
#define REQUIRE(condition) REQUIRE_MSG(condition, "%s", #condition)
#define REQUIRE_EQ(value, expected)                                                            \
	do {                                                                                   \
		long long value_ = (value), expected_ = (expected);                            \
		REQUIRE_MSG(value_ == expected_, "%s is %lld, not %lld", #value, value_,       \
			    expected_);                                                        \
	} while (0)

/* Wait until it is so. */
#define AWAIT(condition)                                                                       \
	do {                                                                                   \
		uint64_t await_end_ = now_ms() + (uint64_t)deadline_ms();                      \
		while (!(condition)) {                                                         \
			REQUIRE_MSG(now_ms() < await_end_, "never came true: %s", #condition); \
			pause_briefly();                                                       \
		}                                                                              \
	} while (0)

#endif
