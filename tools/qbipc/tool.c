/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/qbipc/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/qbipc/text.h"

#define NS_PER_S 1000000000ULL
#define SECONDS_MAX 1000000

__attribute__((format(printf, 1, 0))) static void complain(const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	fputs("qbipc: ", stderr);
	text_print(stderr, text, strlen(text));
	fputc('\n', stderr);
}

void tool_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

/* The negative of INT32_MIN does not fit into an int32_t. */
static int error_number(int32_t error)
{
	return error == INT32_MIN ? INT32_MAX : abs(error);
}

const char *tool_error_text(int32_t error)
{
	return strerror(error_number(error));
}

int tool_fail(const char *what, int error)
{
	int number = error_number(error);

	switch (number) {
	case ECONNREFUSED:
	case ENOENT: tool_complain("%s: no such service", what); return TOOL_NO_SERVICE;
	case EACCES:
	case EPERM: tool_complain("%s: %s", what, strerror(number)); return TOOL_REFUSED;
	case ETIMEDOUT: tool_complain("%s: no answer in time", what); return TOOL_TIMEOUT;
	case EBADMSG:
		tool_complain("%s: the answer is not that of an IPC service", what);
		return TOOL_FAILED;
	case ECONNRESET:
		tool_complain("%s: closed without an answer", what);
		return TOOL_FAILED;
	default: tool_complain("%s: %s", what, strerror(number)); return TOOL_FAILED;
	}
}

void tool_misused(const struct tool_command *self, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	fprintf(stderr, "Try qbipc %s --help\n", self->name);
	exit(TOOL_USAGE);
}

int tool_option(const struct tool_command *self, int argc, char **argv)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, self->short_options, self->options, NULL);
	switch (option) {
	case 'h': fputs(self->usage, stdout); exit(TOOL_OK);
	case 'V':
		puts("qbipc "
		     "(" PACKAGE_NAME ") " PACKAGE_VERSION);
		exit(TOOL_OK);
	case ':': tool_misused(self, "%s: an argument is missing", argv[optind - 1]);
	case '?':
		if (optopt && optopt < 128)
			tool_misused(self, "-%c: there is no such option", optopt);
		tool_misused(self, "%s: there is no such option", argv[optind - 1]);
	default: return option;
	}
}

const char *tool_only_argument(const struct tool_command *self, int argc, char **argv)
{
	if (optind == argc)
		tool_misused(self, "the name of a service is missing");
	if (optind + 1 < argc)
		tool_misused(self, "%s: one argument too many", argv[optind + 1]);
	if (argv[optind][0] == '\0')
		tool_misused(self, "the name of a service is empty");
	return argv[optind];
}

uint64_t tool_number(const struct tool_command *self, const char *text, uint64_t min,
		     uint64_t max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || n < min || n > max)
		tool_misused(self, "%s: not a number from %llu to %llu", text,
			     (unsigned long long)min, (unsigned long long)max);
	return n;
}

uint64_t tool_seconds(const struct tool_command *self, const char *text)
{
	double s;
	char *end;

	s = strtod(text, &end);
	if (((*text < '0' || *text > '9') && *text != '.') || *end || !(s <= SECONDS_MAX))
		tool_misused(self, "%s: not a number of seconds up to %d", text, SECONDS_MAX);
	return (uint64_t)(s * (double)NS_PER_S);
}

uint64_t tool_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void tool_sleep_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

const char *tool_transport_name(int32_t type)
{
	return type == QB_IPC_SHM ? "shm" : type == QB_IPC_SOCKET ? "socket" : "unknown";
}

void tool_wire_name(uint32_t native, char *buf, size_t size)
{
	if (native)
		snprintf(buf, size, "native %u", native);
	else
		snprintf(buf, size, "libqb");
}

const char *tool_why_name(int why)
{
	static const char *const names[] = {
		[QBIPC_WHY_NATIVE] = "-",
		[QBIPC_WHY_LIBQB] = "libqb",
		[QBIPC_WHY_SERVER_OFF] = "server-off",
		[QBIPC_WHY_CLIENT_OFF] = "client-off",
		[QBIPC_WHY_OWNER] = "owner",
		[QBIPC_WHY_SERVER_REFUSED] = "server-refused",
		[QBIPC_WHY_CLIENT_REFUSED] = "client-refused",
		[QBIPC_WHY_SERVER_SHORT] = "server-short",
		[QBIPC_WHY_CLIENT_SHORT] = "client-short",
		[QBIPC_WHY_REMEMBERED] = "remembered",
		[QBIPC_WHY_OVERCOMMIT] = "overcommit",
	};

	return why >= 0 && (size_t)why < sizeof(names) / sizeof(names[0]) ? names[why] : "?";
}

void tool_why_json(struct json *j, int why, const char *call, int error)
{
	if (why == QBIPC_WHY_NATIVE)
		json_null(j, "why");
	else
		json_text(j, "why", tool_why_name(why));
	if (call)
		json_text(j, "why_call", call);
	else
		json_null(j, "why_call");
	if (error)
		json_text(j, "why_error", strerror(error));
	else
		json_null(j, "why_error");
}
