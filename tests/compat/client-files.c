/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies in /dev/shm and where filesystem sockets live: names, owners, modes. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/compat/cell.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

enum { SOMEBODY = 54321, SOME_GROUP = 54322 };

enum { RATE_NORMAL = 1, RATE_OFF = 3 };

/* On the wire: a word of the request ring's header, and the file of the socket transport. */
enum { REFERENCES_AT = 8204, CONTROL_SIZE = 24 };

/* Of the files; the directory has the same group, and the owner that auth_set named. */
struct expectation {
	uid_t uid;
	gid_t gid;
	mode_t file_mode;
	bool owner_left; /* auth_set left the owner: the files are the server's */
};

static bool name_matches(const char *pattern, const char *name)
{
	regex_t re;
	int r;

	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	r = regexec(&re, name, 0, NULL, 0);
	regfree(&re);
	return r == 0;
}

static bool is_shm(const struct peer *s)
{
	return !strcmp(s->cell->transport, "shm");
}

/* Every entry of @dir: expected name, owner and mode. */
static void check_entries(const struct peer *s, const char *dir, const struct expectation *e)
{
	char pattern[256], path[1024];
	struct dirent *entry;
	DIR *d = opendir(dir);
	struct stat st;
	int n = 0;

	ck_assert_ptr_nonnull(d);
	if (is_shm(s))
		snprintf(pattern, sizeof(pattern),
			 "^qb-(request|response|event)-%s-(header|data)$", s->name);
	else
		snprintf(pattern, sizeof(pattern), "^qb-control-%s$", s->name);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		ck_assert_msg(name_matches(pattern, entry->d_name), "unexpected: %s/%s", dir,
			      entry->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_msg(S_ISREG(st.st_mode), "not a file: %s", path);
		ck_assert_msg((st.st_mode & 07777) == e->file_mode, "mode of %s: %o, not %o",
			      path, st.st_mode & 07777, e->file_mode);
		ck_assert_msg(st.st_uid == e->uid && st.st_gid == e->gid,
			      "owner of %s: %d:%d, not %d:%d", path, (int)st.st_uid,
			      (int)st.st_gid, (int)e->uid, (int)e->gid);
	}
	closedir(d);
	ck_assert_int_eq(n, is_shm(s) ? 6 : 1);
}

/* The connection of process @client. */
static void check_files(const struct peer *s, pid_t client, const struct expectation *e)
{
	char dir[512];
	struct stat st;

	ck_assert(files_directory(s->pid, client, dir, sizeof(dir)));
	ck_assert_msg(name_matches("^/dev/shm/qb-[0-9]+-[0-9]+-[0-9]+-.{6}$", dir),
		      "unexpected: %s", dir);
	ck_assert_int_eq(stat(dir, &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_msg((st.st_mode & 07777) == 0770, "mode of %s: %o", dir, st.st_mode & 07777);
	ck_assert_msg((e->owner_left || st.st_uid == e->uid) && st.st_gid == e->gid,
		      "owner of %s: %d:%d", dir, (int)st.st_uid, (int)st.st_gid);
	check_entries(s, dir, e);
}

START_TEST(files_belong_to_the_client_and_to_nobody_else)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	check_files(s, getpid(), &(struct expectation){ geteuid(), getegid(), 0600 });
	qb_ipcc_disconnect(c);
	WAIT_FOR(files_of(s->pid, getpid()) == 0);
	peer_stop(s);
}
END_TEST

START_TEST(files_are_what_auth_set_said)
{
	struct peer *s = peer_start(_i, &(struct peer_options){ .auth = true,
								.uid = (uid_t)-1,
								.gid = SOME_GROUP,
								.mode = 0660 });
	qb_ipcc_connection_t *c = connect_to(s, 0);

	check_files(s, getpid(), &(struct expectation){ geteuid(), SOME_GROUP, 0660 });
	qb_ipcc_disconnect(c);
	WAIT_FOR(files_of(s->pid, getpid()) == 0);
	peer_stop(s);
}
END_TEST

/*
 * In a child that is somebody unprivileged: connect, use it, leave; its exit status.
 * While it is connected the parent looks at the files, unless @e is NULL.
 */
static void check_unprivileged(struct peer *s, gid_t group, const struct expectation *e)
{
	const gid_t groups[] = { SOME_GROUP };
	int ready[2], go[2], status;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		qb_ipcc_connection_t *c;

		close(ready[0]);
		close(go[1]);
		if (setgroups(1, groups) < 0 || setgid(group) < 0 || setuid(SOMEBODY) < 0)
			_exit(2);
		c = connect_to(s, 0);
		client_send_patiently(c, COMPAT_EVENT, 500);
		client_must_recv_event(c, COMPAT_EVENT, 500);
		if (write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 0)
			_exit(3);
		echo(c, 5000);
		qb_ipcc_disconnect(c);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	census_adopt(pid);
	ck_assert(fd_readable_within(ready[0], deadline_ms()));
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	if (e)
		check_files(s, pid, e);
	close(go[1]);
	close(ready[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	peer_expect(s, "accept created closed destroyed");
	WAIT_FOR(files_of(s->pid, pid) == 0);
}

START_TEST(unprivileged_client_works_without_files)
{
	struct peer *s = peer_start(_i, NULL);

	check_unprivileged(s, SOME_GROUP, NULL);
	peer_stop(s);
}
END_TEST

START_TEST(unprivileged_client_owns_its_files)
{
	struct peer *s = peer_start(_i, NULL);

	check_unprivileged(s, SOME_GROUP, &(struct expectation){ SOMEBODY, SOME_GROUP, 0600 });
	peer_stop(s);
}
END_TEST

START_TEST(unprivileged_client_works_with_a_group_and_mode_by_auth_set)
{
	struct peer *s = peer_start(_i, &(struct peer_options){ .auth = true,
								.uid = (uid_t)-1,
								.gid = SOME_GROUP,
								.mode = 0660 });

	check_unprivileged(s, SOME_GROUP + 1,
			   &(struct expectation){ geteuid(), SOME_GROUP, 0660, true });
	peer_stop(s);
}
END_TEST

START_TEST(unprivileged_client_works_with_files_of_its_own_by_auth_set)
{
	struct peer *s = peer_start(_i, &(struct peer_options){ .auth = true,
								.uid = SOMEBODY,
								.gid = 0,
								.mode = 0600 });

	check_unprivileged(s, SOME_GROUP, &(struct expectation){ SOMEBODY, 0, 0600 });
	peer_stop(s);
}
END_TEST

START_TEST(native_transports_have_no_files)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	ck_assert_int_eq(files_of(s->pid, getpid()), 0);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(filesystem_socket_is_open_to_all_and_withdrawn_at_the_end)
{
	struct peer *s = peer_start(_i, NULL);
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", SOCKETDIR, s->name);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 0777, 0777);
	qb_ipcc_disconnect(connect_to(s, 0));
	peer_stop(s);
	ck_assert_int_eq(stat(path, &st), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* From a file of the connection of this process, by the beginning of its name. */
static void file_read(const struct peer *s, const char *name, const char *suffix, off_t at,
		      void *to, size_t size)
{
	char dir[512], path[1024];
	int fd;

	ck_assert(files_directory(s->pid, getpid(), dir, sizeof(dir)));
	snprintf(path, sizeof(path), "%s/qb-%s-%s%s", dir, name, s->name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(pread(fd, to, size, at), (ssize_t)size);
	close(fd);
}

/* A client of libqb sends only while it is so. */
START_TEST(request_ring_says_that_both_ends_are_there)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	int32_t references;

	file_read(s, "request", "-header", REFERENCES_AT, &references, sizeof(references));
	ck_assert_int_eq(references, 2);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

struct control {
	struct {
		int32_t sent;
		int32_t flow_control;
	} request, response, event;
};

static struct control control_of(const struct peer *s)
{
	struct control control;

	ck_assert_uint_eq(sizeof(control), CONTROL_SIZE);
	file_read(s, "control", "", 0, &control, sizeof(control));
	return control;
}

START_TEST(control_file_counts_what_is_under_way)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	ck_assert_str_eq(peer_tell(s, "burst 500 3 100"), "3 100");
	ck_assert_int_eq(control_of(s).event.sent, 3);
	client_must_recv_event(c, 500, 92);
	ck_assert_int_eq(control_of(s).event.sent, 2);
	client_must_recv_event(c, 501, 92);
	client_must_recv_event(c, 502, 92);
	ck_assert_int_eq(control_of(s).event.sent, 0);
	client_must_send(c, 600, 100);
	WAIT_FOR(control_of(s).request.sent == 0 && control_of(s).response.sent == 1);
	client_must_recv(c, 600, 100);
	ck_assert_int_eq(control_of(s).response.sent, 0);
	peer_tell(s, "rate %d", RATE_OFF);
	ck_assert_int_eq(control_of(s).request.flow_control, 1);
	peer_tell(s, "rate %d", RATE_NORMAL);
	ck_assert_int_eq(control_of(s).request.flow_control, 0);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

static void add_privileged_tests(TCase *tc, int cell)
{
	add_cell_test(tc, unprivileged_client_owns_its_files, cell);
	/* In socket mode libqb's server does not apply auth_set to the control file. */
	if (!strcmp(cells[cell].server, "libqb") && !cell_is_shm(cell))
		return;
	add_cell_test(tc, files_are_what_auth_set_said, cell);
	add_cell_test(tc, unprivileged_client_works_with_a_group_and_mode_by_auth_set, cell);
	add_cell_test(tc, unprivileged_client_works_with_files_of_its_own_by_auth_set, cell);
}

void add_file_tests(TCase *tc, int cell)
{
	if (cells[cell].filesystem)
		add_cell_test(tc, filesystem_socket_is_open_to_all_and_withdrawn_at_the_end,
			      cell);
	if (cells[cell].native) {
		add_cell_test(tc, native_transports_have_no_files, cell);
		if (cell_is_privileged())
			add_cell_test(tc, unprivileged_client_works_without_files, cell);
		return;
	}
	add_cell_test(tc, files_belong_to_the_client_and_to_nobody_else, cell);
	if (cell_is_shm(cell))
		add_cell_test(tc, request_ring_says_that_both_ends_are_there, cell);
	else
		add_cell_test(tc, control_file_counts_what_is_under_way, cell);
	if (cell_is_privileged())
		add_privileged_tests(tc, cell);
}
