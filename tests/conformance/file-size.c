/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server whose files may not grow beyond RLIMIT_FSIZE, where the kernel answers with
 * SIGXFSZ: a client that asks for more is refused, and nobody else notices.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

enum { LIMIT = 512 << 10, FITS = 20000, TOO_MUCH = 1 << 20, FITS_RING_BY_RING = 300 << 10 };

static void prepare_limit(struct server *sv)
{
	struct rlimit limit = { LIMIT, LIMIT };

	SERVER_REQUIRE_EQ(sv, setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void prepare_no_files(struct server *sv)
{
	struct rlimit limit = { 0, 0 };

	SERVER_REQUIRE_EQ(sv, setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct host *start(int variant, void (*prepare)(struct server *))
{
	return host_start(&(struct server_spec){ VARIANT_SPEC(variant), .prepare = prepare });
}

static bool needs_files_for_messages(int variant)
{
	return variants[variant].type == QB_IPC_SHM;
}

START_TEST(client_that_asks_for_more_than_a_file_may_have_is_refused_with_efbig)
{
	struct host *h = start(_i, prepare_limit);
	qb_ipcc_connection_t *c = client_connect(h->name, FITS), *other;

	errno = 0;
	other = qb_ipcc_connect(h->name, TOO_MUCH);
	if (needs_files_for_messages(_i)) {
		ck_assert_ptr_null(other);
		ck_assert_int_eq(errno, EFBIG);
		ck_assert_uint_eq(host_refusals(h).failed, 1);
	} else {
		ck_assert_ptr_nonnull(other);
		client_echo(other, 100);
		qb_ipcc_disconnect(other);
	}
	client_echo(c, 1000);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* The native wire has one file for all, libqb's one for each direction. */
START_TEST(client_whose_rings_fit_one_by_one_is_served)
{
	struct host *h = start(_i, prepare_limit);
	qb_ipcc_connection_t *c = client_connect(h->name, FITS_RING_BY_RING);

	client_echo(c, FITS_RING_BY_RING / 2);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(server_without_files_refuses_and_lives)
{
	struct host *h = start(_i, prepare_no_files);

	for (int k = 0; k < 3; k++) {
		errno = 0;
		ck_assert_ptr_null(qb_ipcc_connect(h->name, FITS));
		ck_assert_int_eq(errno, EFBIG);
	}
	ck_assert_uint_eq(host_refusals(h).failed, 3);
	host_stop(h);
}
END_TEST

/* A client that may write no file, and neither may its test framework: its exit status. */
static int limited_client(const char *name)
{
	struct qb_ipc_request_header question = { MSG_ECHO, 1000 };
	struct iovec iov[2] = { { &question, sizeof(question) },
				{ (char[1000]){ 0 }, 1000 - sizeof(question) } };
	struct rlimit none = { 0, 0 };
	char answer[2000];
	qb_ipcc_connection_t *c;

	if (setrlimit(RLIMIT_FSIZE, &none) < 0)
		return 2;
	c = qb_ipcc_connect(name, TOO_MUCH);
	if (!c)
		return 3;
	if (qb_ipcc_sendv_recv(c, iov, 2, answer, sizeof(answer), -1) < 0)
		return 4;
	qb_ipcc_disconnect(c);
	return 0;
}

/* The client makes no file at all. */
START_TEST(limit_of_the_client_does_not_matter)
{
	struct host *h = start(_i, NULL);
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(limited_client(h->name));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sizes of files");
	TCase *tc = tcase_new(s, "RLIMIT_FSIZE");

	add_transport_test(
		tc, client_that_asks_for_more_than_a_file_may_have_is_refused_with_efbig);
	add_transport_test(tc, client_whose_rings_fit_one_by_one_is_served);
	add_transport_test(tc, server_without_files_refuses_and_lives);
	add_transport_test(tc, limit_of_the_client_does_not_matter);
	return suite_main(s);
}
