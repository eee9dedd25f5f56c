/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library does not print. Its messages go to the hook that the application has set,
 * otherwise to libqb's logger if libqb is in the process, otherwise nowhere. It logs what
 * is refused or broken, and nothing per message.
 */
#ifndef QBI_BASE_LOG_H
#define QBI_BASE_LOG_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "base/clock.h"

typedef void (*qbi_log_fn)(int priority, const char *text, void *data);

/* NULL goes back to the default. Set it before other threads use the library. */
void qbi_log_hook_set(qbi_log_fn fn, void *data);

/* @priority as in syslog(3). Keeps errno. */
void qbi_log_at(const char *function, const char *file, uint32_t line, int priority,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

#define qbi_log(priority, ...) qbi_log_at(__func__, __FILE__, __LINE__, priority, __VA_ARGS__)

/*
 * Rate limit for messages that a peer can cause as often as it likes: one line from time to
 * time, with the number of lines that were suppressed before it. Any thread.
 */
struct qbi_pace {
	_Atomic(uint64_t) told_at; /* time of the last line, as qbi_now_ns(); 0: none yet */
	_Atomic(uint64_t) quiet;   /* lines suppressed since then */
};

/* At @now, may a line be logged? Then *@ret_quiet is the number of suppressed lines. */
bool qbi_pace_allows(struct qbi_pace *p, uint64_t now, uint64_t *ret_quiet);

/* qbi_log(), limited by @pace. */
#define qbi_log_paced(pace, priority, format, ...)                                             \
	do {                                                                                   \
		uint64_t qbi_quiet_;                                                           \
		if (!qbi_pace_allows(pace, qbi_now_ns(), &qbi_quiet_))                         \
			break;                                                                 \
		if (qbi_quiet_)                                                                \
			qbi_log(priority, format QBI_LOG_MORE, __VA_ARGS__,                    \
				(unsigned long long)qbi_quiet_);                               \
		else                                                                           \
			qbi_log(priority, format, __VA_ARGS__);                                \
	} while (0)
#define QBI_LOG_MORE " (%llu more since this was last said)"

/* qbi_log(), limited by one pace for this place in the source. */
#define qbi_log_rarely(priority, ...)                                                          \
	do {                                                                                   \
		static struct qbi_pace qbi_pace_;                                              \
		qbi_log_paced(&qbi_pace_, priority, __VA_ARGS__);                              \
	} while (0)

/*
 * A public function was called with an argument that can never be right. Its result is
 * -EINVAL for many reasons: @what, a literal, says which one it was.
 */
#define qbi_misuse(what) qbi_misuse_of(__func__, what)
/* The same, seen from inside @function. */
#define qbi_misuse_of(function, what)                                                          \
	({                                                                                     \
		qbi_log_rarely(LOG_ERR, "%s: " what, function);                                \
		-EINVAL;                                                                       \
	})

#endif
