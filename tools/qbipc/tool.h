/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc: what the subcommands share. Each is a function in a file of its own; main.c
 * finds it, and does what concerns the whole process.
 *
 * Trust: names of sockets, command lines and answers come from others. They are printed
 * through text.h only, so that nothing of them acts on a terminal.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qbipc/snapshot.h>

/* Exit statuses: qbipc(1). */
enum tool_status {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
	TOOL_NO_SERVICE = 3,
	TOOL_REFUSED = 4,
	TOOL_TIMEOUT = 5,
};

struct option;

struct tool_command {
	const char *name;
	const char *summary; /* one line */
	const char *usage;   /* all that --help says */
	const char *short_options;
	const struct option *options; /* with --help as 'h' */
	int (*run)(const struct tool_command *self, int argc, char **argv);
};

extern const struct tool_command tool_ls;
extern const struct tool_command tool_ping;
extern const struct tool_command tool_echo;
extern const struct tool_command tool_bench;
extern const struct tool_command tool_watch;

/* "qbipc: ..." on standard error. */
void tool_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The text of an errno of any sign, which may have been chosen by others. */
const char *tool_error_text(int32_t error);

/* Complain that @what, a name, failed with @error (of any sign); the exit status. */
int tool_fail(const char *what, int error);

/*
 * The next option as of getopt_long(); -1 after the last. --help is served here and ends
 * the process, as does an option that does not exist.
 */
int tool_option(const struct tool_command *self, int argc, char **argv);

/* One argument is left, which is returned; otherwise the process ends with TOOL_USAGE. */
const char *tool_only_argument(const struct tool_command *self, int argc, char **argv);

/* Complain about how @self was called, which ends the process with TOOL_USAGE. */
void tool_misused(const struct tool_command *self, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* A whole number from @min to @max, or misuse. */
uint64_t tool_number(const struct tool_command *self, const char *text, uint64_t min,
		     uint64_t max);

/* A number of seconds with decimals, from 0 to 10^6, in nanoseconds, or misuse. */
uint64_t tool_seconds(const struct tool_command *self, const char *text);

uint64_t tool_now_ns(void);
/* Sleep until then on the monotonic clock, or until a signal. */
void tool_sleep_until(uint64_t ns);

/* Names of what a probe or a snapshot tells by number. */
const char *tool_transport_name(int32_t type);
/* "native 1" or "libqb". */
void tool_wire_name(uint32_t native, char *buf, size_t size);
/* Of enum qbipc_why: one word, or "-" for the native wire. */
const char *tool_why_name(int why);

/* Members of the object that is open: why not the native wire. */
struct json;
void tool_why_json(struct json *j, int why, const char *call, int error);

#endif
