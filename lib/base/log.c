/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Often enough to show that a problem persists, too rare to fill a disk. */
#define TELL_INTERVAL (10 * QBI_NS_PER_S)

/* libqb's public entry point for messages of other libraries; absent without it. */
extern void qb_log_from_external_source(const char *function, const char *filename,
					const char *format, uint8_t priority, uint32_t lineno,
					uint32_t tags, ...) __attribute__((weak));

static qbi_log_fn log_hook;
static void *log_hook_data;

void qbi_log_hook_set(qbi_log_fn fn, void *data)
{
	log_hook = fn;
	log_hook_data = data;
}

bool qbi_pace_allows(struct qbi_pace *p, uint64_t now, uint64_t *ret_quiet)
{
	uint64_t last = p->told_at;

	/* If two threads come at the same time, one of them logs. */
	if ((last && now - last < TELL_INTERVAL) ||
	    !atomic_compare_exchange_strong(&p->told_at, &last, now)) {
		p->quiet++;
		return false;
	}
	*ret_quiet = atomic_exchange(&p->quiet, 0);
	return true;
}

void qbi_log_at(const char *function, const char *file, uint32_t line, int priority,
		const char *format, ...)
{
	int saved = errno;
	char text[512];
	va_list ap;

	if (!log_hook && !qb_log_from_external_source)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (log_hook)
		log_hook(priority, text, log_hook_data);
	else
		qb_log_from_external_source(function, file, "%s", (uint8_t)priority, line, 0,
					    text);
	errno = saved;
}
