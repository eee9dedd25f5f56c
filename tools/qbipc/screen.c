/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/qbipc/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tools/qbipc/tool.h"

#define NS_PER_S 1000000000ULL

/* Global, because signal handlers need them; the terminal is that of the process, too. */
static struct termios was, keys;
static volatile sig_atomic_t keys_set;
static volatile sig_atomic_t resized;
static sigset_t waiting; /* signal mask while waiting: SIGWINCH is not blocked */

static char *shown;
static unsigned int shown_head;

static void keys_restore(void)
{
	if (keys_set)
		tcsetattr(STDIN_FILENO, TCSANOW, &was);
}

static void on_resize(int signal)
{
	(void)signal;
	resized = 1;
}

/* The default action follows on return: the signal is blocked in its handler. */
static void on_end(int number)
{
	keys_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_stop(int number)
{
	int error = errno;

	(void)number;
	keys_restore();
	raise(SIGSTOP);
	if (keys_set)
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	resized = 1; /* other processes have written to the terminal */
	errno = error;
}

/* A signal that is ignored stays ignored. */
static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler }, old;

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

static void keys_open(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM };
	size_t i;

	/* In the background, tcsetattr(3) would stop the process. */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &was) < 0)
		return;
	keys = was;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	keys_set = 1;
	atexit(keys_restore);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		handle(ends[i], on_end);
	handle(SIGTSTP, on_stop);
	tcsetattr(STDIN_FILENO, TCSANOW, &keys);
}

void screen_open(void)
{
	struct sigaction action = { .sa_handler = on_resize };
	sigset_t resize;

	/* Delivered only while we wait: no resize is missed, and no call is interrupted. */
	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, &waiting);
	sigdelset(&waiting, SIGWINCH);
	sigaction(SIGWINCH, &action, NULL);
	if (isatty(STDIN_FILENO))
		keys_open();
}

/* The last column stays free, because some terminals wrap when it is written. The last line
 * stays free for the cursor. */
static void draw(void)
{
	struct winsize size = { 0 };
	unsigned int rows = 24, columns = 80, lines = 0, n, room;
	const char *line, *end;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		rows = size.ws_row;
		columns = size.ws_col;
	}
	/* Cursor home, erase below: the oldest terminals with escape sequences know these. */
	fputs("\033[H\033[J", stdout);
	if (!shown)
		return;
	for (line = shown; (end = strchr(line, '\n')); line = end + 1)
		lines++;
	room = rows - 1;
	if (lines > room && room > shown_head)
		room--; /* for the line that gives the number of the others */
	for (n = 0, line = shown; n < room && (end = strchr(line, '\n')); n++, line = end + 1) {
		size_t width = (size_t)(end - line);

		printf("%.*s\n", (int)(width < columns ? width : columns - 1), line);
	}
	if (n < lines && n < rows - 1) {
		char rest[64];

		snprintf(rest, sizeof(rest), "%u older not shown", lines - n);
		printf("%.*s\n", (int)(columns - 1), rest);
	}
}

void screen_show(char *text, unsigned int head)
{
	free(shown);
	shown = text;
	shown_head = head;
	draw();
}

/* Has q been pressed? */
static bool key_quits(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	/* The terminal is gone; SIGHUP may not reach this process. */
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		return true;
	return n == 1 && (key == 'q' || key == 'Q');
}

bool screen_wait(uint64_t until_ns)
{
	struct pollfd input = { .fd = keys_set ? STDIN_FILENO : -1, .events = POLLIN };

	for (;;) {
		uint64_t now = tool_now_ns();
		uint64_t left = until_ns > now ? until_ns - now : 0;
		struct timespec timeout = { .tv_sec = (time_t)(left / NS_PER_S),
					    .tv_nsec = (long)(left % NS_PER_S) };
		int r = ppoll(&input, 1, &timeout, &waiting);

		if (resized) {
			resized = 0;
			draw();
			fflush(stdout);
		}
		if (r > 0 && key_quits())
			return false;
		if (r == 0 || tool_now_ns() >= until_ns)
			return true;
	}
}
