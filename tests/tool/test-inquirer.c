/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side that asks, against what may answer: nobody, somebody who does not, a server
 * that knows no questions, a newer one, and one that lies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/tool/fake.h"

enum { FDS_MAX = 3 }; /* with an answer, on any wire */

enum { SHORT_MS = 30 };

static int probe(const char *name, int32_t timeout_ms, struct qbipc_probe_info *info)
{
	*info = (struct qbipc_probe_info){ .size = sizeof(*info) };
	return qbipc_probe(name, 0, timeout_ms, info);
}

/* -- Nobody, and nobody who answers ------------------------------------------------ */

START_TEST(nobody_is_refused_connection)
{
	struct qbipc_probe_info info;
	qbipc_snapshot_t *s = NULL;
	char name[64];

	unique_name(name, sizeof(name));
	ck_assert_int_eq(probe(name, deadline_ms(), &info), -ECONNREFUSED);
	ck_assert_int_eq(qbipc_snapshot_get(name, deadline_ms(), &s), -ECONNREFUSED);
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(path_is_asked_as_a_path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct qbipc_probe_info info;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, "./");
	unique_name(a.sun_path + 2, 64);
	ck_assert_int_eq(probe(a.sun_path, deadline_ms(), &info), -ENOENT);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(probe(a.sun_path, deadline_ms(), &info), -ECONNREFUSED);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(probe(a.sun_path, SHORT_MS, &info), -ETIMEDOUT);
	unlink(a.sun_path);
	close(fd);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	qbipc_snapshot_t *s = NULL;
	char name[200];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(qbipc_probe(NULL, 0, 0, &info), -EINVAL);
	ck_assert_int_eq(qbipc_probe("name", 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_probe("", 0, 0, &info), -EINVAL);
	ck_assert_int_eq(qbipc_probe(name, 0, 0, &info), -ENAMETOOLONG);
	name[0] = '/';
	ck_assert_int_eq(qbipc_probe(name, 0, 0, &info), -ENAMETOOLONG);
	info.size = sizeof(size_t);
	ck_assert_int_eq(qbipc_probe("name", 0, 0, &info), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_get(NULL, 0, &s), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_get("name", 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_info_get(NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_refusals_get(NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_timing_get(NULL, QBIPC_TIMING_PROCESS, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_service_timing_set(NULL, 1), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_connection_get(NULL, 0, NULL), -EINVAL);
	qbipc_snapshot_free(NULL);
	ck_assert_int_eq(qbipc_service_snapshot_allow(NULL, 0, 0), -EINVAL);
}
END_TEST

/* The socket takes the question, and there it stays. */
START_TEST(silence_is_a_timeout)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct qbipc_probe_info info;
	qbipc_snapshot_t *s = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t begin = now_ms();

	unique_name(a.sun_path + 1, 64);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	ck_assert_int_eq(probe(a.sun_path + 1, SHORT_MS, &info), -ETIMEDOUT);
	ck_assert_int_eq(qbipc_snapshot_get(a.sun_path + 1, SHORT_MS, &s), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin, 2 * SHORT_MS - 2);
	ck_assert_int_eq(probe(a.sun_path + 1, 0, &info), -ETIMEDOUT);
	close(fd);
}
END_TEST

START_TEST(full_queue_is_a_timeout)
{
	struct qbipc_probe_info info;
	struct fake_server f;

	fake_server_start_full(&f);
	ck_assert_int_eq(probe(f.name, SHORT_MS, &info), -ETIMEDOUT);
	fake_server_stop(&f);
}
END_TEST

START_TEST(closing_without_an_answer_is_told)
{
	struct qbi_welcome w = { .id = QBI_AUTHENTICATE };
	struct qbipc_probe_info info;
	struct fake_server f;

	fake_server_start(&f, NULL, 0, 0);
	ck_assert_int_eq(probe(f.name, deadline_ms(), &info), -ECONNRESET);
	fake_server_stop(&f);
	fake_server_start(&f, &w, sizeof(w) - 1, 0);
	ck_assert_int_eq(probe(f.name, deadline_ms(), &info), -ECONNRESET);
	fake_server_stop(&f);
}
END_TEST

/* -- Answers ------------------------------------------------------------------------ */

static int probe_answered(const struct qbi_welcome *w, unsigned int n_fds,
			  struct qbipc_probe_info *info)
{
	struct fake_server f;
	int r;

	fake_server_start(&f, w, sizeof(*w), n_fds);
	r = probe(f.name, deadline_ms(), info);
	fake_server_stop(&f);
	return r;
}

/* What a server that makes a connection sends along is dropped: the census counts. */
START_TEST(server_without_questions_has_made_a_connection)
{
	struct qbi_welcome w = fake_welcome(0);
	struct qbipc_probe_info info;
	unsigned int n_fds;

	strcpy(w.request, "/dev/shm/qb-1-2-3-abcdef/qb-request-name");
	for (n_fds = 0; n_fds <= FDS_MAX; n_fds++) {
		ck_assert_int_eq(probe_answered(&w, n_fds, &info), 0);
		ck_assert_int_ne(info.connected, 0);
		ck_assert_uint_eq(info.native, 1);
	}
	for (; n_fds <= 8; n_fds++)
		ck_assert_int_eq(probe_answered(&w, n_fds, &info), -EBADMSG);
	w.mark = 0;
	w.version = 0;
	ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
	ck_assert_int_ne(info.connected, 0);
	ck_assert_uint_eq(info.native, 0);
	/* Bits that nobody with the mark has set mean nothing. */
	w.abilities = QBI_ABILITY_PROBE;
	ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
	ck_assert_int_ne(info.connected, 0);
}
END_TEST

/* Each code and call: what only a client, or nobody, can say of itself is not believed. */
START_TEST(reason_of_a_server_is_believed_of_itself_only)
{
	struct qbi_welcome w = fake_welcome(QBI_ABILITY_PROBE);
	struct qbipc_probe_info info;
	uint32_t code;

	w.version = 0;
	for (code = 0; code < 16; code++) {
		bool own = code == QBIPC_WHY_SERVER_OFF || code == QBIPC_WHY_OWNER ||
			   code == QBIPC_WHY_SERVER_REFUSED || code == QBIPC_WHY_SERVER_SHORT ||
			   code == QBIPC_WHY_OVERCOMMIT;

		w.abilities = QBI_ABILITY_PROBE | (0xff00u | code << 4 | code)
							  << QBI_ABILITIES_WHY_SHIFT;
		ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
		ck_assert_int_eq(info.why, own ? (int)code : QBIPC_WHY_LIBQB);
		ck_assert_int_eq(info.why_error, own ? 0xff : 0);
		ck_assert_int_eq(info.connected, 0);
		ck_assert_ptr_nonnull(info.why_text);
		ck_assert_int_eq(info.why_call != NULL, own);
	}
}
END_TEST

START_TEST(refusal_of_any_sign_is_handed_on)
{
	static const int32_t errors[] = { -EACCES, 1, INT32_MIN, INT32_MAX };
	struct qbipc_probe_info info;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct qbi_welcome w = { .id = QBI_AUTHENTICATE,
					 .size = sizeof(w),
					 .error = errors[i] };

		ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
		ck_assert_int_eq(info.error, errors[i]);
		ck_assert_int_eq(info.connected, 0);
	}
}
END_TEST

START_TEST(answer_of_no_server_is_told)
{
	struct qbipc_probe_info info;
	struct qbi_welcome w;

	memset(&w, 0xff, sizeof(w));
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
	w = fake_welcome(QBI_ABILITY_PROBE);
	w.type = 7;
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
	w = fake_welcome(QBI_ABILITY_PROBE);
	w.max_msg_size = UINT32_MAX;
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
	w = fake_welcome(QBI_ABILITY_PROBE);
	memset(w.event, 'x', sizeof(w.event));
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
}
END_TEST

/* A caller that knows a longer struct than the library finds zeros at the end. */
START_TEST(longer_struct_of_a_newer_caller_is_filled_as_far_as_known)
{
	struct {
		struct qbipc_probe_info info;
		uint64_t later[2];
	} newer = { .info = { .size = sizeof(newer) }, .later = { 7, 7 } };
	struct qbi_welcome w = fake_welcome(QBI_ABILITY_PROBE);
	struct fake_server f;

	fake_server_start(&f, &w, sizeof(w), 0);
	ck_assert_int_eq(qbipc_probe(f.name, 0, deadline_ms(), &newer.info), 0);
	fake_server_stop(&f);
	ck_assert_uint_eq(newer.info.size, sizeof(newer));
	ck_assert_uint_eq(newer.info.max_msg_size, QBI_MIN_MSG_SIZE);
	ck_assert_uint_eq(newer.later[0] | newer.later[1], 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("asking a service");
	TCase *tc = tcase_new(s, "no answer");

	tcase_add_test(tc, nobody_is_refused_connection);
	tcase_add_test(tc, path_is_asked_as_a_path);
	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_test(tc, silence_is_a_timeout);
	tcase_add_test(tc, full_queue_is_a_timeout);
	tcase_add_test(tc, closing_without_an_answer_is_told);
	tc = tcase_new(s, "answers");
	tcase_add_test(tc, server_without_questions_has_made_a_connection);
	tcase_add_test(tc, reason_of_a_server_is_believed_of_itself_only);
	tcase_add_test(tc, refusal_of_any_sign_is_handed_on);
	tcase_add_test(tc, answer_of_no_server_is_told);
	tcase_add_test(tc, longer_struct_of_a_newer_caller_is_filled_as_far_as_known);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
