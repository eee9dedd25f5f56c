/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qbipc: declarations that the subcommands share. Each subcommand is a function in a file of
 * its own; main.c selects it, and sets up what concerns the whole process.
 *
 * Trust: names of sockets, command lines and answers come from other processes. They are
 * printed only through text.h, so that they cannot act on a terminal.
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
	const char *usage;   /* the text of --help */
	const char *short_options;
	const struct option *options; /* --help has the value 'h' */
	int (*run)(const struct tool_command *self, int argc, char **argv);
};

extern const struct tool_command tool_ls;
extern const struct tool_command tool_ping;
extern const struct tool_command tool_echo;
extern const struct tool_command tool_bench;
extern const struct tool_command tool_watch;
extern const struct tool_command tool_describe;
extern const struct tool_command tool_call;
extern const struct tool_command tool_monitor;
extern const struct tool_command tool_replay;

/* "qbipc: ..." on standard error. */
void tool_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The text of an errno of any sign; it may come from another process. */
const char *tool_error_text(int32_t error);

/* Report that @what, a name, failed with @error (of any sign). Returns the exit status. */
int tool_fail(const char *what, int error);

/*
 * The next option, as getopt_long() returns it; -1 after the last. --help, --version and
 * options that do not exist are handled here and end the process.
 */
int tool_option(const struct tool_command *self, int argc, char **argv);

/* Returns the only argument left; otherwise the process ends with TOOL_USAGE. */
const char *tool_only_argument(const struct tool_command *self, int argc, char **argv);

/* Report wrong usage of @self, and end the process with TOOL_USAGE. */
void tool_misused(const struct tool_command *self, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* Parse an integer from @min to @max; otherwise tool_misused(). */
uint64_t tool_number(const struct tool_command *self, const char *text, uint64_t min,
		     uint64_t max);

/* Parse seconds, a decimal number from 0 to 10^6; otherwise tool_misused(). Returns ns. */
uint64_t tool_seconds(const struct tool_command *self, const char *text);

uint64_t tool_now_ns(void);
/* Sleep until @ns on the monotonic clock, or until a signal. */
void tool_sleep_until(uint64_t ns);

/* Names for the numbers of a probe or a snapshot. */
const char *tool_transport_name(int32_t type);
/* "native 1" or "libqb". */
void tool_wire_name(uint32_t native, char *buf, size_t size);
/* The name of a value of enum qbipc_why: one word, or "-" for the native wire. */
const char *tool_why_name(int why);

/* Write members into the open object: why the wire is not the native one. */
struct json;
void tool_why_json(struct json *j, int why, const char *call, int error);

#endif
