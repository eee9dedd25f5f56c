/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is at the other end: what both sides are told, when, and what is given back. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { SOMEBODY = 54321, SOME_GROUP = 54322, FIRST_GROUP = 60000, GROUPS = 40 };

/* What a server found out, in the blob. */
struct found {
	int result;
	int pid;
	uid_t uid;
	gid_t gid;
	int pidfd_pid; /* of the process that the descriptor refers to; -1: none */
	int pidfd_flags;
	size_t n_groups;
	gid_t groups[GROUPS];
	bool has_label;
};

/* The kernel's answer in /proc/self/fdinfo: the pid here, -1 once it is gone. */
static int pidfd_pid(int pidfd)
{
	char path[64], line[128];
	int pid = -2;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "Pid: %d", &pid);
	if (f)
		fclose(f);
	return pid;
}

static bool kernel_gives_pidfds(void)
{
	socklen_t size = sizeof(int);
	int pair[2], pidfd = -1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size);
	close(pair[0]);
	close(pair[1]);
	if (pidfd >= 0)
		close(pidfd);
	return pidfd >= 0;
}

static void peer_record(struct server *sv, qb_ipcs_connection_t *c)
{
	struct qbipc_peer peer = { .size = sizeof(peer) };
	struct found f = { .pidfd_pid = -1 };

	f.result = qbipc_connection_peer_get(c, &peer);
	if (f.result == 0) {
		f.pid = peer.pid;
		f.uid = peer.uid;
		f.gid = peer.gid;
		f.n_groups = peer.n_groups;
		SERVER_REQUIRE(sv, peer.n_groups <= GROUPS);
		if (peer.n_groups)
			memcpy(f.groups, peer.groups, peer.n_groups * sizeof(gid_t));
		f.has_label = peer.label != NULL;
		if (peer.pidfd >= 0) {
			f.pidfd_pid = pidfd_pid(peer.pidfd);
			f.pidfd_flags = fcntl(peer.pidfd, F_GETFD);
		}
		qbipc_peer_free(&peer);
	}
	memcpy(sv->shared->blob, &f, sizeof(f));
}

static int32_t accept_records(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	peer_record(sv, c);
	return 0;
}

static int64_t remote_record(struct server *sv, const int64_t *args)
{
	peer_record(sv, server_connection(sv, (int)args[0]));
	return 0;
}

static struct found found(struct host *h)
{
	struct found f;

	memcpy(&f, h->shared->blob, sizeof(f));
	return f;
}

/* -- The client, as the server sees it ----------------------------------------------- */

static void become_somebody(int n_groups)
{
	gid_t groups[GROUPS];

	for (int k = 0; k < n_groups; k++)
		groups[k] = (gid_t)(FIRST_GROUP + k);
	ck_assert_int_eq(setgroups((size_t)n_groups, groups), 0);
	ck_assert_int_eq(setgid(SOME_GROUP), 0);
	ck_assert_int_eq(setuid(SOMEBODY), 0);
}

/* A client of another user connects, and stays until the server has been asked. */
static void check_client_with_groups(int i, int n_groups)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(i), .accept = accept_records });
	int hold[2], status;
	struct found f;
	pid_t pid;

	ck_assert_int_eq(pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		qb_ipcc_connection_t *c;
		char byte;
		bool over;

		close(hold[1]);
		become_somebody(n_groups);
		c = client_connect(h->name, 0);
		over = read(hold[0], &byte, 1) == 0;
		qb_ipcc_disconnect(c);
		_exit(over ? 0 : 1);
	}
	census_adopt(pid);
	close(hold[0]);
	host_await_trace(h, "accept:1");
	host_call(h, remote_nothing, 0);
	f = found(h);
	ck_assert_int_eq(f.result, 0);
	ck_assert_int_eq(f.pid, pid);
	ck_assert_uint_eq(f.uid, SOMEBODY);
	ck_assert_uint_eq(f.gid, SOME_GROUP);
	ck_assert_uint_eq(f.n_groups, (size_t)n_groups);
	for (int k = 0; k < n_groups; k++)
		ck_assert_uint_eq(f.groups[k], (gid_t)(FIRST_GROUP + k));
	ck_assert(f.has_label);
	if (kernel_gives_pidfds()) {
		ck_assert_int_eq(f.pidfd_pid, pid);
		ck_assert_int_eq(f.pidfd_flags, FD_CLOEXEC);
	}
	close(hold[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}

START_TEST(client_of_another_user_is_known_with_its_groups_inside_accept)
{
	check_client_with_groups(_i, GROUPS);
}
END_TEST

START_TEST(client_without_supplementary_groups_has_none)
{
	check_client_with_groups(_i, 0);
}
END_TEST

START_TEST(client_is_known_as_long_as_it_is_connected_and_not_afterwards)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_call(h, remote_ref, 1);
	host_call(h, remote_record, 1);
	ck_assert_int_eq(found(h).result, 0);
	ck_assert_int_eq(found(h).pid, getpid());
	host_call(h, remote_disconnect, 1);
	host_call(h, remote_record, 1);
	ck_assert_int_eq(found(h).result, -ENOTCONN);
	host_call(h, remote_unref, 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t remote_without_descriptors(struct server *sv, const int64_t *args)
{
	struct qbipc_peer peer = { .size = sizeof(peer), .pid = 5, .pidfd = 6 };
	struct rlimit all, none;
	int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC), r;

	SERVER_REQUIRE(sv, lowest >= 0);
	close(lowest);
	SERVER_REQUIRE_EQ(sv, getrlimit(RLIMIT_NOFILE, &all), 0);
	none = (struct rlimit){ (rlim_t)lowest, all.rlim_max };
	SERVER_REQUIRE_EQ(sv, setrlimit(RLIMIT_NOFILE, &none), 0);
	r = qbipc_connection_peer_get(server_connection(sv, 1), &peer);
	SERVER_REQUIRE_EQ(sv, setrlimit(RLIMIT_NOFILE, &all), 0);
	SERVER_REQUIRE(sv, r == 0 || (peer.pid == 5 && peer.pidfd == 6 && !peer.label));
	if (r == 0)
		qbipc_peer_free(&peer);
	return r;
}

START_TEST(no_descriptor_for_the_pidfd_is_emfile_and_changes_nothing)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(host_call(h, remote_without_descriptors, 0),
			 kernel_gives_pidfds() ? -EMFILE : 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t remote_arguments(struct server *sv, const int64_t *args)
{
	struct qbipc_peer peer = { .size = sizeof(peer) };
	qb_ipcs_connection_t *c = server_connection(sv, 1);

	SERVER_REQUIRE_EQ(sv, qbipc_connection_peer_get(NULL, &peer), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_connection_peer_get(c, NULL), -EINVAL);
	peer.size = sizeof(size_t);
	SERVER_REQUIRE_EQ(sv, qbipc_connection_peer_get(c, &peer), -EINVAL);
	return 0;
}

START_TEST(peer_of_nothing_or_into_nothing_is_einval)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_peer peer = { .size = sizeof(peer) };

	ck_assert_int_eq(host_call(h, remote_arguments, 0), 0);
	ck_assert_int_eq(qbipc_client_peer_get(NULL, &peer), -EINVAL);
	ck_assert_int_eq(qbipc_client_peer_get(c, NULL), -EINVAL);
	peer.size = sizeof(size_t);
	ck_assert_int_eq(qbipc_client_peer_get(c, &peer), -EINVAL);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- The server, as the client sees it ----------------------------------------------- */

START_TEST(server_is_known_to_its_client_and_given_back_twice_is_once)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_peer peer = { .size = sizeof(peer) };
	int n = getgroups(0, NULL);

	ck_assert_int_eq(qbipc_client_peer_get(c, &peer), 0);
	ck_assert_int_eq(peer.pid, h->pid);
	ck_assert_uint_eq(peer.uid, geteuid());
	ck_assert_uint_eq(peer.gid, getegid());
	ck_assert_uint_eq(peer.n_groups, (size_t)n);
	ck_assert_ptr_nonnull(peer.label);
	if (kernel_gives_pidfds())
		ck_assert_int_eq(pidfd_pid(peer.pidfd), h->pid);
	qbipc_peer_free(&peer);
	ck_assert_int_eq(peer.pidfd, -1);
	ck_assert_ptr_null(peer.groups);
	ck_assert_ptr_null(peer.label);
	ck_assert_uint_eq(peer.size, sizeof(peer));
	qbipc_peer_free(&peer);
	qbipc_peer_free(NULL);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(server_is_enotconn_before_the_connection_is_finished)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qbipc_peer peer = { .size = sizeof(peer) };
	qb_ipcc_connection_t *c;
	int fd;

	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(qbipc_client_peer_get(c, &peer), -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("peer");
	TCase *tc = tcase_new(s, "client");

	if (geteuid() == 0) {
		add_transport_test(
			tc, client_of_another_user_is_known_with_its_groups_inside_accept);
		add_transport_test(tc, client_without_supplementary_groups_has_none);
	}
	add_variant_test(tc, client_is_known_as_long_as_it_is_connected_and_not_afterwards);
	add_transport_test(tc, peer_of_nothing_or_into_nothing_is_einval);

	tc = tcase_new(s, "without descriptors");
	tcase_set_tags(tc, "scarce");
	add_transport_test(tc, no_descriptor_for_the_pidfd_is_emfile_and_changes_nothing);

	tc = tcase_new(s, "server");
	add_transport_test(tc, server_is_known_to_its_client_and_given_back_twice_is_once);
	add_transport_test(tc, server_is_enotconn_before_the_connection_is_finished);
	return suite_main(s);
}
