/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Results that the manual promises and that no other test provokes: arguments that make
 * no sense, and servers that answer a connect with something else than an answer. Such a
 * server is a thread here, which reads the question and says what the test wants.
 */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"
#include "wire/handshake.h"

/* -- A server that says what it is told ------------------------------------------- */

struct fake {
	char name[64];
	int listener;
	pthread_t thread;
	struct qbi_welcome says;
	size_t size; /* bytes of it; 0: it hangs up instead */
	int done[2]; /* closed at the end: until then it stays connected */
};

static void fake_listen(struct fake *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(f->name, sizeof(f->name), "results-%d", (int)getpid());
	memcpy(address.sun_path + 1, f->name, strlen(f->name));
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(f->listener, 0);
	ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(f->listener, 5), 0);
}

static void *fake_serve(void *data)
{
	struct fake *f = data;
	struct qbi_hello hello;
	char end;
	int fd = accept(f->listener, NULL, NULL);

	if (fd < 0)
		return NULL;
	if (recv(fd, &hello, sizeof(hello), MSG_WAITALL) == sizeof(hello) && f->size > 0 &&
	    send(fd, &f->says, f->size, MSG_NOSIGNAL) == (ssize_t)f->size)
		(void)!read(f->done[0], &end, 1);
	close(fd);
	return NULL;
}

/* An answer that would be one, to be spoiled by the test. */
static void fake_answer_init(struct fake *f)
{
	memset(&f->says, 0, sizeof(f->says));
	f->says.id = QBI_AUTHENTICATE;
	f->says.size = sizeof(f->says);
	f->says.type = QB_IPC_SHM;
	f->says.max_msg_size = QBI_MIN_MSG_SIZE;
	f->size = sizeof(f->says);
}

static qb_ipcc_connection_t *connect_without_a_time(const char *name)
{
	return qb_ipcc_connect(name, 0);
}

static qb_ipcc_connection_t *connect_within_a_time(const char *name)
{
	return qbipc_connect_timeout(name, 0, deadline_ms());
}

static const struct {
	qb_ipcc_connection_t *(*connect)(const char *name);
} ways[] = { { connect_without_a_time }, { connect_within_a_time } };

static void connect_fails_with(int way, struct fake *f, int error)
{
	qb_ipcc_connection_t *c;

	fake_listen(f);
	ck_assert_int_eq(pipe(f->done), 0);
	ck_assert_int_eq(pthread_create(&f->thread, NULL, fake_serve, f), 0);
	errno = 0;
	c = ways[way].connect(f->name);
	ck_assert_ptr_null(c);
	ck_assert_int_eq(errno, error);
	close(f->done[1]);
	pthread_join(f->thread, NULL);
	close(f->done[0]);
	close(f->listener);
}

START_TEST(answer_that_makes_no_sense_is_ebadmsg)
{
	struct fake f;

	fake_answer_init(&f);
	f.says.id = 17;
	connect_fails_with(_i, &f, EBADMSG);
}
END_TEST

START_TEST(answer_that_stops_in_the_middle_is_etimedout)
{
	struct fake f;

	fake_answer_init(&f);
	f.size = 100;
	connect_fails_with(_i, &f, ETIMEDOUT);
}
END_TEST

START_TEST(server_that_says_nothing_is_econnreset)
{
	struct fake f;

	fake_answer_init(&f);
	f.size = 0;
	connect_fails_with(_i, &f, ECONNRESET);
}
END_TEST

START_TEST(transport_that_is_not_known_is_eprotonosupport)
{
	struct fake f;

	fake_answer_init(&f);
	f.says.mark = QBI_WIRE_MARK;
	f.says.version = 1000;
	connect_fails_with(_i, &f, EPROTONOSUPPORT);
}
END_TEST

static void fake_names(struct fake *f, const char *name)
{
	fake_answer_init(f);
	snprintf(f->says.request, sizeof(f->says.request), "%s", name);
	snprintf(f->says.response, sizeof(f->says.response), "%s", name);
	snprintf(f->says.event, sizeof(f->says.event), "%s", name);
}

START_TEST(name_of_something_elsewhere_is_einval)
{
	struct fake f;

	fake_names(&f, "/etc/passwd");
	connect_fails_with(_i, &f, EINVAL);
}
END_TEST

START_TEST(name_of_what_is_no_file_is_eacces)
{
	char folder[64], name[96], inner[128];
	struct fake f;

	snprintf(folder, sizeof(folder), "/dev/shm/qb-results-%d", (int)getpid());
	snprintf(name, sizeof(name), "%s/qb-request", folder);
	snprintf(inner, sizeof(inner), "%s-header", name);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(mkdir(inner, 0700), 0);
	fake_names(&f, name);
	connect_fails_with(_i, &f, EACCES);
	ck_assert_int_eq(rmdir(inner), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* -- Arguments ---------------------------------------------------------------------- */

START_TEST(connection_that_is_not_finished_is_einval)
{
	struct qb_ipc_request_header ask = { .id = 1, .size = sizeof(ask) };
	struct fake f;
	qb_ipcc_connection_t *c;
	char room[64];
	int32_t fd32;
	int fd;

	fake_listen(&f);
	c = qb_ipcc_connect_async(f.name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(qb_ipcc_send(c, &ask, sizeof(ask)), -EINVAL);
	ck_assert_int_eq(qb_ipcc_recv(c, room, sizeof(room), 0), -EINVAL);
	ck_assert_int_eq(qb_ipcc_event_recv(c, room, sizeof(room), 0), -EINVAL);
	ck_assert_int_eq(qb_ipcc_fd_get(c, &fd32), -EINVAL);
	qb_ipcc_disconnect(c);
	close(f.listener);
}
END_TEST

START_TEST(pieces_that_are_no_message_are_einval)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct iovec nothing = { NULL, 16 };

	ck_assert_int_eq(qb_ipcc_sendv(c, &nothing, 0), -EINVAL);
	ck_assert_int_eq(qb_ipcc_sendv(c, NULL, 1), -EINVAL);
	ck_assert_int_eq(qb_ipcc_sendv(c, &nothing, 1), -EINVAL);
	ck_assert_int_eq(qb_ipcc_send(c, NULL, 16), -EINVAL);
	ck_assert_int_eq(qb_ipcc_recv(c, NULL, 16, 0), -EINVAL);
	ck_assert_int_eq(qb_ipcc_event_recv(c, NULL, 16, 0), -EINVAL);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(service_without_a_name_is_einval)
{
	errno = 0;
	ck_assert_ptr_null(qb_ipcs_create(NULL, 0, QB_IPC_SHM, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(counters_into_nothing_are_einval)
{
	qb_ipcs_service_t *s = qb_ipcs_create("results", 0, QB_IPC_SHM, NULL);

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(qb_ipcs_stats_get(s, NULL, 0), -EINVAL);
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(polling_for_more_than_a_millisecond_is_einval)
{
	ck_assert_int_eq(qbipc_busy_poll_set(1001), -EINVAL);
	ck_assert_int_eq(qbipc_busy_poll_set(1000), 0);
	ck_assert_int_eq(qbipc_busy_poll_set(0), 0);
}
END_TEST

/* Nobody but root gets into a directory of mode 0, and root becomes somebody else. */
static int probe_where_nobody_may(const char *path)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };

	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresuid(65534, 65534, 65534) < 0))
		return -errno;
	return qbipc_probe(path, 0, deadline_ms(), &info);
}

START_TEST(path_that_may_not_be_used_is_eacces)
{
	char folder[64], path[96];
	int status;
	pid_t child;

	snprintf(folder, sizeof(folder), "/tmp/qbipc-results-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/socket", folder);
	ck_assert_int_eq(mkdir(folder, 0), 0);
	child = fork();
	if (child == 0)
		_exit(probe_where_nobody_may(path) == -EACCES ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(version_is_that_of_the_header)
{
	ck_assert_int_eq(qbipc_version(), QBIPC_VERSION);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("results");
	TCase *tc = tcase_new(s, "connecting");

	tcase_add_loop_test(tc, answer_that_makes_no_sense_is_ebadmsg, 0, 2);
	tcase_add_loop_test(tc, answer_that_stops_in_the_middle_is_etimedout, 0, 2);
	tcase_add_loop_test(tc, server_that_says_nothing_is_econnreset, 0, 2);
	tcase_add_loop_test(tc, transport_that_is_not_known_is_eprotonosupport, 0, 2);
	tcase_add_loop_test(tc, name_of_something_elsewhere_is_einval, 0, 2);
	tcase_add_loop_test(tc, name_of_what_is_no_file_is_eacces, 0, 2);

	tc = tcase_new(s, "arguments");
	tcase_add_test(tc, connection_that_is_not_finished_is_einval);
	add_transport_test(tc, pieces_that_are_no_message_are_einval);
	tcase_add_test(tc, service_without_a_name_is_einval);
	tcase_add_test(tc, counters_into_nothing_are_einval);
	tcase_add_test(tc, polling_for_more_than_a_millisecond_is_einval);
	tcase_add_test(tc, path_that_may_not_be_used_is_eacces);
	tcase_add_test(tc, version_is_that_of_the_header);
	return suite_main(s);
}
