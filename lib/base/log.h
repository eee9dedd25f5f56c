/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library does not print. What it has to say goes to the hook that the
 * application set, else to libqb's logger when that is in the process, else
 * nowhere. Never called per message: only when something is refused or broken.
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
 * For what a peer can cause as often as it likes: one line in a while, which tells how many
 * were kept quiet before it. Any thread.
 */
struct qbi_pace {
	_Atomic(uint64_t) told_at; /* last line, as qbi_now_ns(); 0 never */
	_Atomic(uint64_t) quiet;   /* not told since then */
};

/* At @now, is it time for a line? Then *@ret_quiet is how many were kept quiet. */
bool qbi_pace_allows(struct qbi_pace *p, uint64_t now, uint64_t *ret_quiet);

/* qbi_log() at the pace of @pace. */
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

/* qbi_log() at the pace of this place in the source. */
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
