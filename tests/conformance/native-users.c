/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Native connections between users: who is let in after auth_set, what an unprivileged
 * server can carry, and that it is the native wire that was spoken.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { SOMEBODY = 54321, SOME_GROUP = 54322, OTHER_GROUP = 54323, LARGE = 1 << 20 };
enum { NATIVE_COUNT = 2 };

/* The memory that the native transports share has this name. */
static bool wire_is_native(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char *line = NULL;
	bool found = false;
	size_t size = 0;

	ck_assert_ptr_nonnull(f);
	while (getline(&line, &size, f) > 0)
		found |= strstr(line, "/memfd:qbipc") != NULL;
	free(line);
	fclose(f);
	return found;
}

static void become(uid_t uid, gid_t gid, gid_t group)
{
	ck_assert_int_eq(setgroups(1, &group), 0);
	ck_assert_int_eq(setgid(gid), 0);
	ck_assert_int_eq(setuid(uid), 0);
	/* Or /proc/self is root's. */
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}

START_TEST(wire_is_native_unless_switched_off)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct census census;

	client_echo(c, 64);
	census_take(&census);
	ck_assert_int_eq(wire_is_native(), !variants[_i].libqb_wire);
	ck_assert_int_eq(census.shm_files > 0, variants[_i].libqb_wire);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- auth_set ------------------------------------------------------------------------ */

static int32_t accept_for_group(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				gid_t gid)
{
	qb_ipcs_connection_auth_set(c, (uid_t)-1, SOME_GROUP, 0660);
	return 0;
}

static int32_t accept_for_nobody(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				 gid_t gid)
{
	qb_ipcs_connection_auth_set(c, 0, 0, 0600);
	return 0;
}

/* In a child that is somebody: 0 served natively, else the errno of connect. */
static int connect_as(const char *name, gid_t gid, gid_t group)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		qb_ipcc_connection_t *c;

		become(SOMEBODY, gid, group);
		c = qb_ipcc_connect(name, 0);
		if (!c)
			_exit(errno);
		client_echo(c, 500);
		if (!wire_is_native())
			_exit(EPROTO);
		qb_ipcc_disconnect(c);
		_exit(0);
	}
	census_adopt(pid);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(client_in_the_group_that_auth_set_named_is_served)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_for_group });

	ck_assert_int_eq(connect_as(h->name, SOME_GROUP, OTHER_GROUP), 0);
	ck_assert_int_eq(connect_as(h->name, OTHER_GROUP, SOME_GROUP), 0);
	host_stop(h);
}
END_TEST

START_TEST(client_outside_of_the_group_is_refused)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_for_group });

	ck_assert_int_eq(connect_as(h->name, OTHER_GROUP, OTHER_GROUP), EACCES);
	/* And the server goes on. */
	ck_assert_int_eq(connect_as(h->name, SOME_GROUP, OTHER_GROUP), 0);
	host_stop(h);
}
END_TEST

START_TEST(client_of_another_user_is_refused_what_is_for_root_only)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_for_nobody });

	ck_assert_int_eq(connect_as(h->name, OTHER_GROUP, OTHER_GROUP), EACCES);
	host_stop(h);
}
END_TEST

START_TEST(client_of_another_user_is_served_by_default)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	ck_assert_int_eq(connect_as(h->name, OTHER_GROUP, OTHER_GROUP), 0);
	host_stop(h);
}
END_TEST

/* -- Large messages without privilege -------------------------------------------------- */

/* The largest request whose answer fits as well. */
static size_t largest(qb_ipcc_connection_t *c)
{
	return (size_t)qb_ipcc_get_buffer_size(c) - sizeof(struct qb_ipc_response_header) +
	       sizeof(struct qb_ipc_request_header);
}

START_TEST(unprivileged_server_carries_messages_of_exactly_the_maximum)
{
	struct host *h;
	qb_ipcc_connection_t *c;

	if (geteuid() == 0)
		become(SOMEBODY, SOME_GROUP, SOME_GROUP);
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	c = client_connect(h->name, LARGE);
	ck_assert_int_eq(qb_ipcc_get_buffer_size(c), LARGE);
	ck_assert(wire_is_native());
	for (int i = 0; i < 10; i++) {
		client_echo(c, largest(c));
		client_send_patiently(c, MSG_EVENT, largest(c) - (size_t)i);
		client_must_recv_event(c, MSG_EVENT, largest(c) - (size_t)i);
	}
	ck_assert_int_eq(client_send(c, MSG_SILENT, LARGE), LARGE);
	ck_assert_int_eq(client_send(c, MSG_SILENT, LARGE + 1), -EMSGSIZE);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native users");
	TCase *tc = tcase_new(s, "wire");

	add_variant_test(tc, wire_is_native_unless_switched_off);

	/* The native transports are the first variants. */
	tc = tcase_new(s, "auth_set");
	if (geteuid() == 0) {
		tcase_add_loop_test(tc, client_in_the_group_that_auth_set_named_is_served, 0,
				    NATIVE_COUNT);
		tcase_add_loop_test(tc, client_outside_of_the_group_is_refused, 0,
				    NATIVE_COUNT);
		tcase_add_loop_test(tc, client_of_another_user_is_refused_what_is_for_root_only,
				    0, NATIVE_COUNT);
		tcase_add_loop_test(tc, client_of_another_user_is_served_by_default, 0,
				    NATIVE_COUNT);
	}

	tc = tcase_new(s, "large messages");
	tcase_add_loop_test(tc, unprivileged_server_carries_messages_of_exactly_the_maximum, 0,
			    NATIVE_COUNT);
	return suite_main(s);
}
