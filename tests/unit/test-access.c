/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may have what a connection shares: what the kernel would say of a file with the
 * owner, group and mode that auth_set gave, and of the directory that holds it.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/access.h"
#include "tests/lib/variant.h"

enum { SOMEBODY = 54321, SOME_GROUP = 54322, OTHER_GROUP = 54323, LEFT = -1 };

static const struct {
	const char *who;
	int uid, gid;	  /* of the client */
	int owner, group; /* as auth_set named them */
	mode_t mode;
	bool granted;
} table[] = {
	{ "root, whatever the mode", 0, 0, SOMEBODY, SOME_GROUP, 0, true },
	{ "the owner", SOMEBODY, 1, SOMEBODY, 2, 0600, true },
	{ "the owner who may only read", SOMEBODY, 1, SOMEBODY, 2, 0400, false },
	{ "the owner who may only write", SOMEBODY, 1, SOMEBODY, 2, 0200, false },
	{ "the owner of nothing", SOMEBODY, 1, SOMEBODY, 2, 0, false },
	{ "the owner, though the group may", SOMEBODY, SOME_GROUP, SOMEBODY, SOME_GROUP, 0060,
	  false },
	{ "one of the group", SOMEBODY, SOME_GROUP, LEFT, SOME_GROUP, 0660, true },
	{ "one of the group who may only read", SOMEBODY, SOME_GROUP, LEFT, SOME_GROUP, 0640,
	  false },
	{ "one of the group, for the owner only", SOMEBODY, SOME_GROUP, LEFT, SOME_GROUP, 0600,
	  false },
	{ "one of the group of another owner", SOMEBODY, SOME_GROUP, 1, SOME_GROUP, 0660,
	  true },
	{ "a stranger", SOMEBODY, OTHER_GROUP, LEFT, SOME_GROUP, 0660, false },
	{ "a stranger to whom the mode grants", SOMEBODY, OTHER_GROUP, LEFT, SOME_GROUP, 0666,
	  false },
	{ "a stranger to owner and group", SOMEBODY, OTHER_GROUP, 1, 2, 0777, false },
};

START_TEST(access_is_that_of_the_first_class_that_fits)
{
	struct ucred peer = { .pid = 1,
			      .uid = (uid_t)table[_i].uid,
			      .gid = (gid_t)table[_i].gid };
	struct qbi_owner owner = { (uid_t)table[_i].owner, (gid_t)table[_i].group,
				   table[_i].mode };
	int pair[2];

	/* Whose socket it is decides nothing but supplementary groups: here there are none
	 * that matter. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_msg(qbi_access_granted(pair[0], &peer, &owner) == table[_i].granted, "%s",
		      table[_i].who);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(owner_and_group_that_were_left_are_those_of_the_server)
{
	struct ucred same = { .uid = geteuid(), .gid = SOME_GROUP };
	struct ucred other = { .uid = geteuid() + 1, .gid = getegid() };
	struct qbi_owner owner = { (uid_t)-1, (gid_t)-1, 0600 };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert(qbi_access_granted(pair[0], &same, &owner));
	ck_assert(!qbi_access_granted(pair[0], &other, &owner));
	owner.mode = 0660;
	ck_assert(qbi_access_granted(pair[0], &other, &owner));
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/*
 * A child that is in @n supplementary groups, the last one SOME_GROUP if @member: makes
 * the pair whose peer credentials are then asked for. 0 granted, 1 not, 2 could not.
 */
static int child_with_groups(size_t n, bool member)
{
	struct ucred peer = { .uid = SOMEBODY, .gid = OTHER_GROUP };
	struct qbi_owner owner = { 0, SOME_GROUP, 0660 };
	gid_t *groups = calloc(n + 1, sizeof(*groups));
	int pair[2];

	for (size_t i = 0; i < n; i++)
		groups[i] = (gid_t)(60000 + i);
	if (member)
		groups[n - 1] = SOME_GROUP;
	if (setgroups(n, groups) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 2;
	free(groups);
	return qbi_access_granted(pair[0], &peer, &owner) ? 0 : 1;
}

static int status_with_groups(size_t n, bool member)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(child_with_groups(n, member));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Without the right to set groups there is no way to be in one. */
START_TEST(supplementary_group_of_the_client_counts)
{
	static const size_t counts[] = { 1, 2, 32, 1000 };

	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		ck_assert_int_eq(status_with_groups(counts[i], true), 0);
		ck_assert_int_eq(status_with_groups(counts[i], false), 1);
	}
	ck_assert_int_eq(status_with_groups(0, false), 1);
}
END_TEST

START_TEST(client_whose_groups_cannot_be_asked_for_is_in_none)
{
	struct ucred peer = { .uid = SOMEBODY, .gid = OTHER_GROUP };
	struct qbi_owner owner = { 0, SOME_GROUP, 0660 };
	int pair[2];

	ck_assert_int_eq(pipe(pair), 0);
	ck_assert(!qbi_access_granted(pair[0], &peer, &owner));
	ck_assert(!qbi_access_granted(-1, &peer, &owner));
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("access");
	TCase *tc = tcase_new(s, "granted");

	tcase_add_loop_test(tc, access_is_that_of_the_first_class_that_fits, 0,
			    sizeof(table) / sizeof(*table));
	tcase_add_test(tc, owner_and_group_that_were_left_are_those_of_the_server);
	tcase_add_test(tc, supplementary_group_of_the_client_counts);
	tcase_add_test(tc, client_whose_groups_cannot_be_asked_for_is_in_none);
	return suite_main(s);
}
