/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc watch on a terminal: its size, its keys, and how it is left. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipcc.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"

enum { CLIENTS = 12 };

struct terminal {
	int fd, slave;
	pid_t pid;
	struct termios before;
	char text[65536]; /* all that was written */
	size_t size;
};

static void resize(struct terminal *t, unsigned short rows, unsigned short columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	ck_assert_int_eq(ioctl(t->fd, TIOCSWINSZ, &size), 0);
}

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* Whoever runs the tests may ignore some of them (nohup, a job in the background). */
static void signals_reset(void)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

static void start(struct terminal *t, const char *name, const char *interval)
{
	memset(t, 0, sizeof(*t));
	t->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(t->fd, 0);
	ck_assert_int_eq(grantpt(t->fd), 0);
	ck_assert_int_eq(unlockpt(t->fd), 0);
	t->slave = open(ptsname(t->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(t->slave, 0);
	ck_assert_int_eq(tcgetattr(t->slave, &t->before), 0);
	resize(t, 10, 40);
	t->pid = fork();
	if (t->pid == 0) {
		signals_reset();
		setsid();
		ioctl(t->slave, TIOCSCTTY, 0);
		dup2(t->slave, 0);
		dup2(t->slave, 1);
		dup2(t->slave, 2);
		execl("tools/qbipc/qbipc", "qbipc", "watch", "-i", interval, name,
		      (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(t->pid, 0);
}

/* Read until @what stands behind @from. */
static void await(struct terminal *t, size_t from, const char *what)
{
	while (!strstr(t->text + from, what)) {
		struct pollfd p = { .fd = t->fd, .events = POLLIN };
		ssize_t n;

		ck_assert_msg(poll(&p, 1, deadline_ms()) == 1, "no \"%s\" in: %s", what,
			      t->text + from);
		n = read(t->fd, t->text + t->size, sizeof(t->text) - 1 - t->size);
		ck_assert_int_gt(n, 0);
		t->size += (size_t)n;
	}
}

/* A screen with @what in its last line; its lines are counted and measured. */
static void screen_expect(struct terminal *t, size_t from, const char *what, size_t rows,
			  size_t columns)
{
	size_t lines = 0, width;
	char *line, *end;

	await(t, from, what);
	line = strstr(t->text + from, "\033[H\033[J");
	ck_assert_ptr_nonnull(line);
	await(t, (size_t)(strstr(line, what) - t->text), "\n");
	for (line += 6; (end = strchr(line, '\n')); line = end + 1, lines++) {
		width = strcspn(line, "\r\n");
		ck_assert_uint_lt(width, columns);
	}
	ck_assert_uint_eq(lines, rows - 1);
}

/* The status of its end; the terminal is as it was. */
static int end(struct terminal *t)
{
	struct termios after;
	int status;

	ck_assert_int_eq(waitpid(t->pid, &status, 0), t->pid);
	ck_assert_int_eq(tcgetattr(t->slave, &after), 0);
	ck_assert_uint_eq(after.c_lflag, t->before.c_lflag);
	close(t->slave);
	close(t->fd);
	return status;
}

static void keys_expect(struct terminal *t)
{
	struct termios now;

	ck_assert_int_eq(tcgetattr(t->slave, &now), 0);
	ck_assert_uint_eq(now.c_lflag & (tcflag_t)(ICANON | ECHO), 0);
}

START_TEST(table_fits_the_terminal_and_follows_it)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(0) });
	qb_ipcc_connection_t *c[CLIENTS];
	struct terminal t;
	size_t i, from;
	int status;

	for (i = 0; i < CLIENTS; i++)
		c[i] = client_connect(h->name, 0);
	start(&t, h->name, "100000");
	/* Two lines of head, six connections, what is left, and where the cursor is. */
	screen_expect(&t, 0, "6 older not shown", 10, 40);
	ck_assert_ptr_nonnull(strstr(t.text, "  NUMBER"));
	ck_assert_ptr_nonnull(strstr(t.text, "\n      12 "));
	ck_assert_ptr_nonnull(strstr(t.text, "\n       7 "));
	ck_assert_ptr_null(strstr(t.text, "\n       6 "));
	keys_expect(&t);
	from = t.size;
	resize(&t, 8, 20);
	screen_expect(&t, from, "8 older not shown", 8, 20);
	ck_assert_int_eq(write(t.fd, "xq", 2), 2);
	status = end(&t);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (i = 0; i < CLIENTS; i++)
		qb_ipcc_disconnect(c[i]);
	host_stop(h);
}
END_TEST

START_TEST(signal_leaves_the_terminal_as_it_was)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(0) });
	struct terminal t;
	int status;

	start(&t, h->name, "100000");
	await(&t, 0, "NUMBER");
	keys_expect(&t);
	kill(t.pid, signals[_i]);
	status = end(&t);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == signals[_i]);
	host_stop(h);
}
END_TEST

START_TEST(end_of_the_service_is_told)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(0) });
	struct terminal t;
	int status;

	start(&t, h->name, "0.05");
	await(&t, 0, "NUMBER");
	host_stop(h);
	await(&t, 0, "the service has ended");
	status = end(&t);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("qbipc watch on a terminal");
	TCase *tc = tcase_new(s, "terminal");

	tcase_add_test(tc, table_fits_the_terminal_and_follows_it);
	tcase_add_loop_test(tc, signal_leaves_the_terminal_as_it_was, 0,
			    (int)(sizeof(signals) / sizeof(signals[0])));
	tcase_add_test(tc, end_of_the_service_is_told);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
