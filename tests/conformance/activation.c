/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services that are handed their listening socket, and what a service manager does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

/* The first descriptor that a service manager passes. */
enum { FIRST_FD = 3 };

static int socket_listening(const struct sockaddr_un *address, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)address, (socklen_t)size), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

/* @padded: as a service does it, else as systemd does ListenStream=@name. */
static int name_listening(const char *name, bool padded)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path + 1, name);
	return socket_listening(&a, padded ? sizeof(a) :
					     offsetof(struct sockaddr_un, sun_path) + 1 +
						     strlen(name));
}

static void log_count(int priority, const char *text, void *data)
{
	if (strstr(text, "look elsewhere"))
		++*(int *)data;
}

/* -- Serving -------------------------------------------------------------------------- */

static int warnings;

static void hand_over(struct server *sv, int fd)
{
	qbipc_log_hook_set(log_count, &warnings);
	SERVER_REQUIRE_EQ(sv, qbipc_service_listen_fd_set(sv->service, fd), 0);
	SERVER_REQUIRE_EQ(sv, fcntl(fd, F_GETFD), FD_CLOEXEC);
	SERVER_REQUIRE(sv, fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void prepare_padded(struct server *sv)
{
	hand_over(sv, name_listening(sv->name, true));
}

static void prepare_unpadded(struct server *sv)
{
	hand_over(sv, name_listening(sv->name, false));
}

static int64_t remote_warnings(struct server *sv, const int64_t *args)
{
	return warnings;
}

static void check_served(int i, void (*prepare)(struct server *sv))
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(i), .prepare = prepare });
	qb_ipcc_connection_t *a = client_connect(h->name, 0);
	qb_ipcc_connection_t *b = qbipc_connect_timeout(h->name, 0, deadline_ms());

	ck_assert_ptr_nonnull(b);
	client_echo(a, 3000);
	client_echo(b, 3000);
	client_must_send(a, MSG_EVENT, 64);
	client_must_recv_event(a, MSG_EVENT, 64);
	ck_assert_int_eq(host_call(h, remote_warnings, 0), 0);
	qb_ipcc_disconnect(a);
	qb_ipcc_disconnect(b);
	host_await_trace(h, "destroyed:2");
	host_stop(h);
}

START_TEST(socket_at_the_address_of_the_service_is_served)
{
	check_served(_i, prepare_padded);
}
END_TEST

START_TEST(socket_at_the_unpadded_name_is_found_by_clients_and_served)
{
	check_served(_i, prepare_unpadded);
}
END_TEST

/* A service that binds the name itself is found before one at the unpadded name. */
START_TEST(service_at_the_padded_name_goes_first)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int other = name_listening(h->name, false);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	close(other);
	host_stop(h);
}
END_TEST

/* -- Ownership: a service of this process that is never dispatched -------------------- */

static int32_t add_nothing(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			   qb_ipcs_dispatch_fn_t fn)
{
	return 0;
}

static int32_t add_fails(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			 qb_ipcs_dispatch_fn_t fn)
{
	return -EPERM;
}

static int32_t del_nothing(int32_t fd)
{
	return 0;
}

static qb_ipcs_service_t *service_new(const char *name)
{
	static struct qb_ipcs_service_handlers none;
	qb_ipcs_service_t *s = qb_ipcs_create(name, 0, variants[0].type, &none);
	struct qb_ipcs_poll_handlers poll = { NULL, add_nothing, add_nothing, del_nothing };

	ck_assert_ptr_nonnull(s);
	qb_ipcs_poll_handlers_set(s, &poll);
	return s;
}

static bool fd_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(path_stays_when_the_service_ends_and_so_does_the_queue)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/qbt-XXXXXX", name[64];
	qb_ipcs_service_t *s;
	int fd, kept, client, seen = 0;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	unique_name(name, sizeof(name));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", dir);
	fd = socket_listening(&a, sizeof(a));
	kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	s = service_new(name);
	qbipc_log_hook_set(log_count, &seen);
	ck_assert_int_eq(qbipc_service_listen_fd_set(s, fd), 0);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	ck_assert_int_eq(seen, 1); /* nobody finds it there */
	qb_ipcs_destroy(s);
	ck_assert(!fd_is_open(fd));
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	close(client);
	close(kept);
	ck_assert_int_eq(unlink(a.sun_path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(descriptor_is_closed_with_a_service_that_was_never_run)
{
	char name[64];
	qb_ipcs_service_t *s;
	int fd;

	unique_name(name, sizeof(name));
	fd = name_listening(name, true);
	s = service_new(name);
	ck_assert_int_eq(qbipc_service_listen_fd_set(s, fd), 0);
	qb_ipcs_destroy(s);
	ck_assert(!fd_is_open(fd));
}
END_TEST

START_TEST(descriptor_is_closed_when_run_fails)
{
	struct qb_ipcs_poll_handlers poll = { NULL, add_fails, add_nothing, del_nothing };
	char name[64];
	qb_ipcs_service_t *s;
	int fd;

	unique_name(name, sizeof(name));
	fd = name_listening(name, true);
	s = service_new(name);
	qb_ipcs_poll_handlers_set(s, &poll);
	ck_assert_int_eq(qbipc_service_listen_fd_set(s, fd), 0);
	ck_assert_int_eq(qb_ipcs_run(s), -EPERM);
	ck_assert(!fd_is_open(fd));
}
END_TEST

static void check_refused(qb_ipcs_service_t *s, int fd, int expected)
{
	int flags = fcntl(fd, F_GETFL);

	ck_assert_int_eq(qbipc_service_listen_fd_set(s, fd), expected);
	ck_assert(fd < 0 || fd_is_open(fd));
	ck_assert_int_eq(fcntl(fd, F_GETFL), flags);
	if (fd >= 0)
		close(fd);
}

START_TEST(what_is_no_listening_unix_stream_socket_is_refused_and_stays_the_callers)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	char name[64];
	qb_ipcs_service_t *s;
	int fd;

	unique_name(name, sizeof(name));
	s = service_new(name);
	check_refused(s, -1, -EBADF);
	check_refused(s, open("/dev/null", O_RDONLY), -ENOTSOCK);
	check_refused(s, socket(AF_UNIX, SOCK_DGRAM, 0), -EPROTOTYPE);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	check_refused(s, fd, -EPROTOTYPE);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	check_refused(s, fd, -EPROTOTYPE);
	check_refused(s, socket(AF_UNIX, SOCK_STREAM, 0), -EINVAL);
	check_refused(NULL, name_listening(name, true), -EINVAL);
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(second_descriptor_or_one_for_a_service_that_ran_is_ebusy)
{
	char name[64], second[64];
	qb_ipcs_service_t *s;

	unique_name(name, sizeof(name));
	unique_name(second, sizeof(second));
	s = service_new(name);
	ck_assert_int_eq(qbipc_service_listen_fd_set(s, name_listening(name, true)), 0);
	check_refused(s, name_listening(second, true), -EBUSY);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	qb_ipcs_ref(s);
	qb_ipcs_destroy(s);
	check_refused(s, name_listening(second, true), -EBUSY);
	qb_ipcs_unref(s);
	s = service_new(name);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	check_refused(s, name_listening(second, true), -EBUSY);
	qb_ipcs_destroy(s);
}
END_TEST

/* -- As a service manager does it ------------------------------------------------------ */

static pid_t server_exec(const char *name, int listener)
{
	pid_t pid = fork();
	char text[32];

	ck_assert_int_ge(pid, 0);
	if (pid != 0) {
		census_adopt(pid);
		return pid;
	}
	if (dup2(listener, FIRST_FD) < 0 || fcntl(FIRST_FD, F_SETFD, 0) < 0)
		_exit(71);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "activated.socket", 1);
	execl("examples/activated-server", "activated-server", name, (char *)NULL);
	_exit(72);
}

static void server_end(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void check_echo(qb_ipcc_connection_t *c)
{
	struct qb_ipc_response_header m = { .id = 1, .size = sizeof(m) }, back;
	struct iovec iov = { &m, sizeof(m) };

	ck_assert_int_eq(qb_ipcc_sendv_recv(c, &iov, 1, &back, sizeof(back), deadline_ms()),
			 sizeof(back));
	ck_assert_int_eq(back.id, 1);
	ck_assert_int_eq(back.error, 0);
}

/* The clients come first; each server is started for the one that waits. */
START_TEST(client_that_waits_is_served_by_the_server_that_is_started_for_it)
{
	char name[64];
	int listener;

	unique_name(name, sizeof(name));
	listener = name_listening(name, false);
	/* It is not to stay open in the server but for the descriptor that is passed. */
	ck_assert_int_eq(fcntl(listener, F_SETFD, FD_CLOEXEC), 0);
	for (int round = 0; round < 2; round++) {
		struct qbipc_peer peer = { .size = sizeof(peer) };
		qb_ipcc_connection_t *c;
		pid_t server;
		int fd;

		c = qb_ipcc_connect_async(name, 0, &fd);
		ck_assert_ptr_nonnull(c);
		server = server_exec(name, listener);
		ck_assert(fd_readable_within(fd, deadline_ms()));
		ck_assert_int_eq(qb_ipcc_connect_continue(c), 0);
		check_echo(c);
		/* This process listened: the kernel knows the server by its answer only. */
		ck_assert_int_eq(qbipc_client_peer_get(c, &peer), 0);
		ck_assert_int_eq(peer.pid, server);
		ck_assert_int_eq(peer.pidfd, -1);
		ck_assert_uint_eq(peer.n_groups, 0);
		ck_assert_str_eq(peer.label, "");
		qbipc_peer_free(&peer);
		qb_ipcc_disconnect(c);
		server_end(server);
	}
	close(listener);
}
END_TEST

/* -- The variables of the environment -------------------------------------------------- */

static const struct {
	const char *pid; /* NULL: not set; "": this process */
	const char *fds;
	const char *names;
	const char *asked;
	int expected;
} rows[] = {
	{ NULL, NULL, NULL, NULL, -ENOENT },
	{ "", NULL, NULL, NULL, -ENOENT },
	{ NULL, "1", NULL, NULL, -ENOENT },
	{ "1", "1", NULL, NULL, -ENOENT },
	{ "", "0", NULL, NULL, -ENOENT },
	{ "", "1", NULL, NULL, 3 },
	{ "", "2", NULL, NULL, 3 },
	{ "", "1", NULL, "unknown", 3 },
	{ "", "1", NULL, "a.socket", -ENOENT },
	{ "", "1", "a.socket", NULL, 3 },
	{ "", "1", "a.socket", "a.socket", 3 },
	{ "", "2", "a.socket:b.socket", "b.socket", 4 },
	{ "", "2", "a.socket:b.socket", "a.socket", 3 },
	{ "", "2", "a.socket:b.socket", "b", -ENOENT },
	{ "", "2", "a.socket:b.socket", "b.socket2", -ENOENT },
	{ "", "2", "a.socket:b.socket", "a.socket:b.socket", -ENOENT },
	{ "", "2", "a:a", "a", 3 },
	{ "", "1", "a.socket:b.socket", "b.socket", -ENOENT },
	{ "", "2", "::", "b", -ENOENT },
	{ "", "2", ":b", "b", 4 },
	{ "", "2", "", "b", -ENOENT },
	{ "", "x", NULL, NULL, -EINVAL },
	{ "", "", NULL, NULL, -EINVAL },
	{ "", "-1", NULL, NULL, -EINVAL },
	{ "", "1x", NULL, NULL, -EINVAL },
	{ "", " 1", NULL, NULL, -EINVAL },
	{ "", "2147483645", NULL, NULL, -EINVAL },
	{ "", "99999999999999999999", NULL, NULL, -EINVAL },
	{ "x", "1", NULL, NULL, -EINVAL },
	{ "99999999999999999999", "1", NULL, NULL, -EINVAL },
	{ "", "3", NULL, NULL, -EBADF },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void variable_set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* In a child with exactly two more descriptors: 0 or what is wrong. */
static int variables_check(int i)
{
	char own[32];
	int r;

	if (dup2(0, FIRST_FD) < 0 || dup2(0, FIRST_FD + 1) < 0)
		return 1;
	for (int fd = FIRST_FD + 2; fd < 64; fd++)
		close(fd);
	snprintf(own, sizeof(own), "%d", (int)getpid());
	variable_set("LISTEN_PID", rows[i].pid && !*rows[i].pid ? own : rows[i].pid);
	variable_set("LISTEN_FDS", rows[i].fds);
	variable_set("LISTEN_FDNAMES", rows[i].names);
	r = qbipc_listen_fd(rows[i].asked);
	if (r != rows[i].expected)
		return 2;
	if (r >= 0 && fcntl(FIRST_FD, F_GETFD) != FD_CLOEXEC)
		return 3;
	if (r >= 0 && *rows[i].fds == '2' && fcntl(FIRST_FD + 1, F_GETFD) != FD_CLOEXEC)
		return 4;
	return 0;
}

START_TEST(variables_say_which_descriptors_were_passed)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (open("/dev/null", O_RDONLY) < 0)
			_exit(1);
		_exit(variables_check(_i));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("activation");
	TCase *tc = tcase_new(s, "serving");

	add_variant_test(tc, socket_at_the_address_of_the_service_is_served);
	add_variant_test(tc, socket_at_the_unpadded_name_is_found_by_clients_and_served);
	add_transport_test(tc, service_at_the_padded_name_goes_first);

	tc = tcase_new(s, "ownership");
	tcase_add_test(tc, path_stays_when_the_service_ends_and_so_does_the_queue);
	tcase_add_test(tc, descriptor_is_closed_with_a_service_that_was_never_run);
	tcase_add_test(tc, descriptor_is_closed_when_run_fails);
	tcase_add_test(
		tc, what_is_no_listening_unix_stream_socket_is_refused_and_stays_the_callers);
	tcase_add_test(tc, second_descriptor_or_one_for_a_service_that_ran_is_ebusy);

	tc = tcase_new(s, "manager");
	tcase_add_test(tc, client_that_waits_is_served_by_the_server_that_is_started_for_it);
	tcase_add_loop_test(tc, variables_say_which_descriptors_were_passed, 0, ROWS);
	return suite_main(s);
}
