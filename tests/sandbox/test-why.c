/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a connection is not on the native wire: what a probe, a snapshot and the log say of
 * each reason, which is brought about here; of refused system calls, by a filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"
#include "tests/tool/ask.h"

enum { NOBODY = 65534, NATIVE_TRANSPORTS = 2, DESCRIPTORS_MAX = 20, NO_MOUNTS = 250 };

/* -- The filter ----------------------------------------------------------------- */

/* A system call, all of them or those with @value in an argument. */
struct refusal {
	const char *call; /* as it is to be named */
	int number;
	int argument; /* -1: whatever they are */
	uint32_t value;
};

static const struct refusal server_refusals[] = {
	{ "memfd_create", SYS_memfd_create, -1, 0 },
	{ "fcntl", SYS_fcntl, 1, F_ADD_SEALS },
	{ "sendmsg", SYS_sendmsg, -1, 0 },
};
/* Over one transport only. */
static const struct refusal memory_refusals[] = {
	{ "fchmod", SYS_fchmod, 1, 0 },
	{ "getrandom", SYS_getrandom, -1, 0 },
};
static const struct refusal socket_refusal = { "socketpair", SYS_socketpair, -1, 0 };
static const struct refusal client_refusals[] = {
	{ "fcntl", SYS_fcntl, 1, F_GET_SEALS },
	{ "fstatfs", SYS_fstatfs, -1, 0 },
};
/* Over sockets only: the others pass none. */
static const struct refusal client_socket_refusal = { "getsockopt", SYS_getsockopt, 2,
						      SO_DOMAIN };
static const int errors[] = { EPERM, EACCES, ENOSYS };
enum {
	ERRORS = sizeof(errors) / sizeof(errors[0]),
	SERVER_REFUSALS = sizeof(server_refusals) / sizeof(server_refusals[0]),
	MEMORY_REFUSALS = sizeof(memory_refusals) / sizeof(memory_refusals[0]),
	CLIENT_REFUSALS = sizeof(client_refusals) / sizeof(client_refusals[0]),
	/* By loop variable: transport, call, errno. */
	SERVER_CASES = NATIVE_TRANSPORTS * SERVER_REFUSALS * ERRORS,
	CLIENT_CASES = NATIVE_TRANSPORTS * CLIENT_REFUSALS * ERRORS,
};
#define TRANSPORT_OF(i) ((i) % NATIVE_TRANSPORTS)
#define ERROR_OF(i) errors[(i) / NATIVE_TRANSPORTS % ERRORS]
#define REFUSAL_OF(i) ((i) / NATIVE_TRANSPORTS / ERRORS)

/* The half of an argument that has the small numbers. */
static uint32_t argument_at(int n)
{
	size_t at = offsetof(struct seccomp_data, args) + (size_t)n * sizeof(uint64_t);

	return (uint32_t)at + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

static bool filter_install(const struct refusal *r, int error)
{
	uint32_t at =
		r->argument < 0 ? offsetof(struct seccomp_data, nr) : argument_at(r->argument);
	uint32_t value = r->argument < 0 ? (uint32_t)r->number : r->value;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* -- The log --------------------------------------------------------------------- */

/* Lines about the wire; those that differ from the first are counted too. */
struct lines {
	int count;
	int priority;
	char first[512];
};

static void on_log(int priority, const char *text, void *data)
{
	struct lines *l = data;

	if (strstr(text, "instead of the native one") && l->count++ == 0) {
		l->priority = priority;
		snprintf(l->first, sizeof(l->first), "%s", text);
	}
}

static struct lines here;

static void log_setup(void)
{
	here = (struct lines){ 0 };
	qbipc_log_hook_set(on_log, &here);
}

static void lines_expect(const struct lines *l, const char *service, const char *whom,
			 const char *why)
{
	char expected[512];

	snprintf(expected, sizeof(expected),
		 "service %s: %slibqb's wire instead of the native one: %s", service, whom,
		 why);
	ck_assert_str_eq(l->first, expected);
	ck_assert_int_eq(l->count, 1);
}

/* -- Server ---------------------------------------------------------------------- */

static const struct refusal *server_refusal; /* NULL: none */
static int server_error;

static void prepare(struct server *sv)
{
	qbipc_log_hook_set(on_log, sv->shared->blob);
	SERVER_REQUIRE(sv, !server_refusal || filter_install(server_refusal, server_error));
}

static struct host *start(int transport)
{
	server_refusal = NULL;
	return host_start(&(struct server_spec){ VARIANT_SPEC(transport), .prepare = prepare });
}

/* What a server says of a client of process @pid, after that one's first answer. */
static void server_lines_expect(struct host *h, pid_t pid, const char *why)
{
	char whom[32];

	snprintf(whom, sizeof(whom), "pid %d: ", (int)pid);
	/* Its line is written behind the answer: the dispatch is to end. */
	host_call(h, remote_nothing);
	lines_expect((const struct lines *)h->shared->blob, h->name, whom, why);
}

static void call_expect(const char *call, const char *expected)
{
	if (expected)
		ck_assert_str_eq(call, expected);
	else
		ck_assert_ptr_null(call);
}

static void probe_expect(const char *name, int why, const char *call, int error)
{
	struct qbipc_probe_info info = ask_probe(name, 0);

	ck_assert_int_eq(info.native == 0, why != QBIPC_WHY_NATIVE);
	ck_assert_int_eq(info.why, why);
	ck_assert_int_eq(info.why_error, error);
	call_expect(info.why_call, call);
	ck_assert_ptr_nonnull(info.why_text);
}

/* Of the newest client. */
static void record_expect(const char *name, int why, const char *call, int error)
{
	qbipc_snapshot_t *s = ask_watch(name);
	struct qbipc_snapshot_connection c = connection_of(s, 0);

	ck_assert_int_eq(c.native == 0, why != QBIPC_WHY_NATIVE);
	ck_assert_int_eq(c.why, why);
	ck_assert_int_eq(c.why_error, error);
	call_expect(c.why_call, call);
	ck_assert_ptr_nonnull(c.why_text);
	qbipc_snapshot_free(s);
}

static bool newest_is_native(const char *name)
{
	qbipc_snapshot_t *s = ask_watch(name);
	bool is_native = connection_of(s, 0).native > 0;

	qbipc_snapshot_free(s);
	return is_native;
}

static const char *detailed(const char *text, const char *call, int error)
{
	static char buf[256];

	snprintf(buf, sizeof(buf), "%s (%s: %s)", text, call, strerror(error));
	return buf;
}

START_TEST(native_wire_has_no_reason_and_no_line)
{
	struct host *h = start(_i);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 100);
	probe_expect(h->name, QBIPC_WHY_NATIVE, NULL, 0);
	record_expect(h->name, QBIPC_WHY_NATIVE, NULL, 0);
	ck_assert_int_eq(here.count, 0);
	ck_assert_int_eq(((struct lines *)h->shared->blob)->count, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* @told: what is said of it. */
static void server_is_refused_as(int transport, const struct refusal *r, int error, int told)
{
	const char *why = detailed("the system keeps the server from it", r->call, told);
	qb_ipcc_connection_t *c, *second;
	struct host *h;

	server_refusal = r;
	server_error = error;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(transport), .prepare = prepare });
	/* Before anybody has connected, too. */
	probe_expect(h->name, QBIPC_WHY_SERVER_REFUSED, r->call, told);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	record_expect(h->name, QBIPC_WHY_SERVER_REFUSED, r->call, told);
	/* It was no fault of the service, so the next one asks again. */
	probe_expect(h->name, QBIPC_WHY_SERVER_REFUSED, r->call, told);
	second = client_connect(h->name, 0);
	client_echo(second, 100);
	server_lines_expect(h, getpid(), why);
	lines_expect(&here, h->name, "", why);
	ck_assert_int_eq(here.priority, LOG_NOTICE);
	qb_ipcc_disconnect(c);
	qb_ipcc_disconnect(second);
	host_stop(h);
}

static void server_is_refused(int transport, const struct refusal *r, int error)
{
	server_is_refused_as(transport, r, error, error);
}

START_TEST(call_that_a_server_may_not_make_is_told_by_name)
{
	server_is_refused(TRANSPORT_OF(_i), &server_refusals[REFUSAL_OF(_i)], ERROR_OF(_i));
}
END_TEST

START_TEST(call_for_memory_that_a_server_may_not_make_is_told_by_name)
{
	server_is_refused(0, &memory_refusals[_i / ERRORS], errors[_i % ERRORS]);
}
END_TEST

START_TEST(call_for_sockets_that_a_server_may_not_make_is_told_by_name)
{
	server_is_refused(1, &socket_refusal, errors[_i]);
}
END_TEST

/* The native wire nevertheless. */
static void memory_does_without(const struct refusal *r, int error)
{
	struct host *h;
	qb_ipcc_connection_t *c;

	server_refusal = r;
	server_error = error;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(0), .prepare = prepare });
	probe_expect(h->name, QBIPC_WHY_NATIVE, NULL, 0);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	record_expect(h->name, QBIPC_WHY_NATIVE, NULL, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

/* It passes no socket. */
START_TEST(shared_memory_needs_no_socketpair)
{
	memory_does_without(&socket_refusal, errors[_i]);
}
END_TEST

/* The kernel has gathered no randomness yet, and gives what it has to those who ask for it. */
START_TEST(shared_memory_is_native_early_at_boot)
{
	static const struct refusal early = { "getrandom", SYS_getrandom, 2, GRND_NONBLOCK };

	memory_does_without(&early, EAGAIN);
}
END_TEST

/* Before Linux 5.6 nobody can ask. */
START_TEST(client_early_at_boot_of_an_older_kernel_gets_the_wire_of_libqb)
{
	static const struct refusal early = { "getrandom", SYS_getrandom, -1, 0 };

	server_is_refused_as(0, &early, EAGAIN, EBUSY);
}
END_TEST

START_TEST(server_that_switched_it_off_says_so)
{
	static const char why[] = "switched off at the server";
	struct host *h = start(_i);
	qb_ipcc_connection_t *c;

	qbipc_native_set(1);
	probe_expect(h->name, QBIPC_WHY_SERVER_OFF, NULL, 0);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	record_expect(h->name, QBIPC_WHY_SERVER_OFF, NULL, 0);
	server_lines_expect(h, getpid(), why);
	lines_expect(&here, h->name, "", why);
	ck_assert_int_eq(here.priority, LOG_INFO);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(client_that_switched_it_off_says_so)
{
	static const char why[] = "switched off at the client";
	struct host *h = start(_i);
	qb_ipcc_connection_t *c;

	qbipc_native_set(0);
	probe_expect(h->name, QBIPC_WHY_CLIENT_OFF, NULL, 0);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	record_expect(h->name, QBIPC_WHY_CLIENT_OFF, NULL, 0);
	server_lines_expect(h, getpid(), why);
	lines_expect(&here, h->name, "", why);
	qb_ipcc_disconnect(c);
	qbipc_native_set(1);
	probe_expect(h->name, QBIPC_WHY_NATIVE, NULL, 0);
	host_stop(h);
}
END_TEST

/* -- Where overcommit is forbidden -------------------------------------------------- */

/*
 * In this process alone, by a mount over the file that says so. Exits where that is not possible.
 * What the library has read before does not count: nothing has asked it yet in this process.
 */
static void overcommit_forbid(void)
{
	char path[] = "/tmp/overcommit-XXXXXX";
	int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, "2\n", 2) == 2 && unshare(CLONE_NEWNS) == 0 &&
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    mount(path, "/proc/sys/vm/overcommit_memory", NULL, MS_BIND, NULL) == 0;

	close(fd);
	unlink(path);
	if (!done)
		_exit(NO_MOUNTS);
	unsetenv("QBIPC_NATIVE");
}

static bool mounts_are_possible(void)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		overcommit_forbid();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNTS)
		printf("# not tried: mounts are not permitted\n");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void prepare_without_overcommit(struct server *sv)
{
	prepare(sv);
	overcommit_forbid();
}

START_TEST(server_without_overcommit_offers_the_guarded_wire)
{
	static const char why[] = "overcommit is forbidden, so memory may be missing later";
	struct host *h;
	qb_ipcc_connection_t *c;

	if (!mounts_are_possible())
		return;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i),
					      .prepare = prepare_without_overcommit });
	probe_expect(h->name, QBIPC_WHY_OVERCOMMIT, NULL, 0);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	record_expect(h->name, QBIPC_WHY_OVERCOMMIT, NULL, 0);
	server_lines_expect(h, getpid(), why);
	lines_expect(&here, h->name, "", why);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- Clients in processes of their own -------------------------------------------- */

/* Of client and parent. */
struct report {
	struct qbipc_probe_info before, probe; /* of connecting, and after it */
	char call_before[32], call[32];	       /* what their why_call points to */
	bool connected;			       /* and what the client had to say then */
	struct lines log;
};
static struct report *report;

struct client {
	pid_t pid;
	int done; /* readable once the report is there */
	int go;	  /* closed: it ends */
};

typedef void (*client_prepare_fn)(int i);

/* What a client did without, asking may need. */
static void descriptors_restore(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The text is that of this process. */
static void client_probe(const char *name, struct qbipc_probe_info *info, char call[32])
{
	info->size = sizeof(*info);
	if (qbipc_probe(name, 0, deadline_ms(), info) == 0 && info->why_call)
		snprintf(call, 32, "%s", info->why_call);
}

static void client_run(const char *name, int done, int go)
{
	qb_ipcc_connection_t *c;
	char byte = 0;

	qbipc_log_hook_set(on_log, &report->log);
	client_probe(name, &report->before, report->call_before);
	c = qb_ipcc_connect(name, 0);
	report->connected = c != NULL;
	descriptors_restore();
	client_probe(name, &report->probe, report->call);
	if (write(done, &byte, 1) != 1 || read(go, &byte, 1) != 0)
		_exit(1);
	if (c)
		qb_ipcc_disconnect(c);
	_exit(0);
}

static struct client client_start(const char *name, client_prepare_fn prepare_it, int i)
{
	struct client c;
	int done[2], go[2];

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(report, MAP_FAILED);
	ck_assert_int_eq(pipe(done), 0);
	ck_assert_int_eq(pipe(go), 0);
	c = (struct client){ fork(), done[0], go[1] };
	ck_assert_int_ge(c.pid, 0);
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(done[0]);
		close(go[1]);
		prepare_it(i);
		client_run(name, done[1], go[0]);
	}
	close(done[1]);
	close(go[0]);
	ck_assert(fd_readable_within(c.done, deadline_ms()));
	return c;
}

static void client_stop(const struct client *c)
{
	int status;

	close(c->go);
	ck_assert_int_eq(waitpid(c->pid, &status, 0), c->pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(c->done);
	munmap(report, sizeof(*report));
}

static void forbid(int i)
{
	overcommit_forbid();
}

/* The program, or who starts it, may know better. */
static void forbid_and_insist(int i)
{
	overcommit_forbid();
	if (i)
		setenv("QBIPC_NATIVE", "1", 1);
	else
		qbipc_native_set(1);
}

START_TEST(client_without_overcommit_takes_the_guarded_wire)
{
	static const char why[] = "overcommit is forbidden, so memory may be missing later";
	struct host *h;
	struct client c;

	if (!mounts_are_possible())
		return;
	h = start(_i);
	/* Before this process asks the library, which its children would inherit. */
	for (int i = 0; i < 2; i++) {
		c = client_start(h->name, forbid_and_insist, i);
		ck_assert(report->connected);
		ck_assert_int_eq(report->before.why, QBIPC_WHY_NATIVE);
		client_stop(&c);
	}
	c = client_start(h->name, forbid, 0);
	ck_assert(report->connected);
	ck_assert_int_eq(report->before.why, QBIPC_WHY_OVERCOMMIT);
	record_expect(h->name, QBIPC_WHY_OVERCOMMIT, NULL, 0);
	server_lines_expect(h, c.pid, why);
	lines_expect(&report->log, h->name, "", why);
	client_stop(&c);
	host_stop(h);
}
END_TEST

static const struct refusal *client_refusal;

static void client_refuse(int error)
{
	if (!filter_install(client_refusal, error))
		_exit(1);
}

static void client_is_refused(int transport, const struct refusal *r, int error)
{
	const char *why = detailed("the system keeps the client from it", r->call, error);
	struct host *h = start(transport);
	struct client c;

	client_refusal = r;
	c = client_start(h->name, client_refuse, error);

	ck_assert(report->connected);
	record_expect(h->name, QBIPC_WHY_CLIENT_REFUSED, r->call, error);
	server_lines_expect(h, c.pid, why);
	lines_expect(&report->log, h->name, "", why);
	/* It is found without connecting, too. */
	ck_assert_int_eq(report->before.why, QBIPC_WHY_CLIENT_REFUSED);
	ck_assert_uint_eq(report->before.native, 0);
	ck_assert_int_eq(report->before.why_error, error);
	ck_assert_str_eq(report->call_before, r->call);
	/* That process remembers it; others are not concerned. */
	ck_assert_int_eq(report->probe.why, QBIPC_WHY_REMEMBERED);
	ck_assert_uint_eq(report->probe.native, 0);
	ck_assert_int_eq(report->probe.why_error, error);
	ck_assert_str_eq(report->call, r->call);
	probe_expect(h->name, QBIPC_WHY_NATIVE, NULL, 0);
	client_stop(&c);
	host_stop(h);
}

START_TEST(call_that_a_client_may_not_make_is_told_by_name)
{
	client_is_refused(TRANSPORT_OF(_i), &client_refusals[REFUSAL_OF(_i)], ERROR_OF(_i));
}
END_TEST

START_TEST(call_for_sockets_that_a_client_may_not_make_is_told_by_name)
{
	client_is_refused(1, &client_socket_refusal, errors[_i]);
}
END_TEST

/* Leave @n descriptors. */
static void client_limit(int n)
{
	struct rlimit limit;
	int last = dup(0);

	close(last);
	if (last < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(1);
	limit.rlim_cur = (rlim_t)(last + n);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(1);
}

/* With one more each time, until there are enough for the native wire. */
START_TEST(client_short_of_descriptors_says_so_and_remembers_nothing)
{
	struct host *h = start(1);
	bool is_native = false;
	int n, told = 0, probes_told = 0;

	for (n = 1; n <= DESCRIPTORS_MAX && !is_native; n++) {
		struct client c = client_start(h->name, client_limit, n);

		if (report->connected)
			is_native = newest_is_native(h->name);
		if (report->connected && !is_native) {
			record_expect(h->name, QBIPC_WHY_CLIENT_SHORT, "recvmsg", EMFILE);
			/* Descriptors of a probe are fewer: it may get them all. */
			if (report->before.why != QBIPC_WHY_NATIVE) {
				ck_assert_int_eq(report->before.why, QBIPC_WHY_CLIENT_SHORT);
				ck_assert_str_eq(report->call_before, "recvmsg");
				probes_told++;
			}
			ck_assert_int_eq(report->probe.why, QBIPC_WHY_NATIVE);
			told++;
		}
		client_stop(&c);
	}
	ck_assert(is_native);
	ck_assert_int_gt(told, 0);
	ck_assert_int_gt(probes_told, 0);
	host_stop(h);
}
END_TEST

static int32_t keep_out(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	qb_ipcs_connection_auth_set(c, 0, 0, 0600);
	return 0;
}

static void become_nobody(int i)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		_exit(1);
}

/* Over libqb's wire the kernel keeps it out, so there is no connection to look at. */
START_TEST(client_that_the_owner_keeps_out_is_told_in_the_log)
{
	struct host *h;
	struct client c;

	if (geteuid() != 0)
		return;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare,
					      .accept = keep_out });
	c = client_start(h->name, become_nobody, 0);
	ck_assert(!report->connected);
	server_lines_expect(h, c.pid, "the connection's owner and mode keep the client out");
	client_stop(&c);
	host_stop(h);
}
END_TEST

/* A client that is built against libqb, and says when it has connected. */
START_TEST(client_of_libqb_is_told_apart)
{
	struct host *h = start(_i);
	int out[2], in[2], status;
	pid_t pid;

	if (access("tests/sandbox/connect-libqb", X_OK) < 0) {
		host_stop(h);
		return;
	}
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(pipe(in), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl("tests/sandbox/connect-libqb", "connect-libqb", h->name, NULL);
		_exit(1);
	}
	close(in[0]);
	close(out[1]);
	ck_assert(fd_readable_within(out[0], deadline_ms()));
	record_expect(h->name, QBIPC_WHY_LIBQB, NULL, 0);
	server_lines_expect(h, pid, "the other end speaks only libqb's wire");
	close(in[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(out[0]);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("why not the native wire");
	TCase *tc = tcase_new(s, "server");

	tcase_add_checked_fixture(tc, log_setup, NULL);
	tcase_add_loop_test(tc, native_wire_has_no_reason_and_no_line, 0, NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, call_that_a_server_may_not_make_is_told_by_name, 0,
			    SERVER_CASES);
	tcase_add_loop_test(tc, call_for_memory_that_a_server_may_not_make_is_told_by_name, 0,
			    MEMORY_REFUSALS * ERRORS);
	tcase_add_loop_test(tc, call_for_sockets_that_a_server_may_not_make_is_told_by_name, 0,
			    ERRORS);
	tcase_add_loop_test(tc, shared_memory_needs_no_socketpair, 0, ERRORS);
	tcase_add_test(tc, shared_memory_is_native_early_at_boot);
	tcase_add_test(tc, client_early_at_boot_of_an_older_kernel_gets_the_wire_of_libqb);
	tcase_add_loop_test(tc, server_that_switched_it_off_says_so, NATIVE_TRANSPORTS,
			    transport_count);
	tcase_add_loop_test(tc, client_that_switched_it_off_says_so, 0, NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, server_without_overcommit_offers_the_guarded_wire, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, client_without_overcommit_takes_the_guarded_wire, 0,
			    NATIVE_TRANSPORTS);
	tc = tcase_new(s, "client");
	tcase_add_loop_test(tc, call_that_a_client_may_not_make_is_told_by_name, 0,
			    CLIENT_CASES);
	tcase_add_loop_test(tc, call_for_sockets_that_a_client_may_not_make_is_told_by_name, 0,
			    ERRORS);
	tcase_add_test(tc, client_short_of_descriptors_says_so_and_remembers_nothing);
	tcase_add_loop_test(tc, client_that_the_owner_keeps_out_is_told_in_the_log, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, client_of_libqb_is_told_apart, 0, NATIVE_TRANSPORTS);
	return suite_main(s);
}
