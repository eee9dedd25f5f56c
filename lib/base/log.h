/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library does not print. What it has to say goes to the hook that the
 * application set, else to libqb's logger when that is in the process, else
 * nowhere. Never called per message: only when something is refused or broken.
 */
#ifndef QBI_BASE_LOG_H
#define QBI_BASE_LOG_H

#include <stdint.h>
#include <syslog.h>

typedef void (*qbi_log_fn)(int priority, const char *text, void *data);

/* NULL goes back to the default. Set it before other threads use the library. */
void qbi_log_hook_set(qbi_log_fn fn, void *data);

/* @priority as in syslog(3). Keeps errno. */
void qbi_log_at(const char *function, const char *file, uint32_t line, int priority,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

#define qbi_log(priority, ...) \
	qbi_log_at(__func__, __FILE__, __LINE__, priority, __VA_ARGS__)

#endif
