/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sandbox/scenario.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"

enum {
	ECHO = QB_IPC_MSG_USER_START + 1,
	EVENT,
	LARGE_SIZE = 100000,
	ANSWER_MS = 2000,
};

#define CALL(name)                                                                             \
	{                                                                                      \
#name, SYS_##name                                                              \
	}
const struct scenario_call scenario_calls[] = {
	CALL(accept),
	CALL(accept4),
	CALL(bind),
	CALL(brk),
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(close),
	CALL(connect),
	CALL(dup),
	CALL(dup3),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_pwait),
#ifdef SYS_epoll_wait
	CALL(epoll_wait),
#endif
	CALL(eventfd2),
	CALL(fallocate),
	CALL(fchmod),
	CALL(fchmodat),
	CALL(fchown),
	CALL(fchownat),
	CALL(fcntl),
	CALL(fstat),
	CALL(fstatfs),
	CALL(ftruncate),
	CALL(futex),
	CALL(getcpu),
	CALL(getdents64),
	CALL(getegid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getpeername),
	CALL(getpid),
	CALL(getrandom),
	CALL(getsockname),
	CALL(getsockopt),
	CALL(gettid),
	CALL(getuid),
	CALL(ioctl),
	CALL(kill),
	CALL(listen),
	CALL(lseek),
	CALL(madvise),
	CALL(memfd_create),
#ifdef SYS_mkdir
	CALL(mkdir),
#endif
	CALL(mkdirat),
#ifdef SYS_mlock2
	CALL(mlock2),
#endif
	CALL(mlock),
	CALL(mmap),
	CALL(mprotect),
	CALL(mremap),
	CALL(munlock),
	CALL(munmap),
#ifdef SYS_newfstatat
	CALL(newfstatat),
#endif
#ifdef SYS_open
	CALL(open),
#endif
	CALL(openat),
#ifdef SYS_openat2
	CALL(openat2),
#endif
#ifdef SYS_pidfd_open
	CALL(pidfd_open),
#endif
	CALL(pipe2),
#ifdef SYS_poll
	CALL(poll),
#endif
	CALL(ppoll),
	CALL(prctl),
	CALL(pread64),
	CALL(prlimit64),
	CALL(read),
	CALL(readlinkat),
	CALL(recvfrom),
	CALL(recvmsg),
#ifdef SYS_rmdir
	CALL(rmdir),
#endif
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(sched_getaffinity),
	CALL(sched_getscheduler),
	CALL(sched_yield),
	CALL(sendmsg),
	CALL(sendto),
	CALL(set_robust_list),
	CALL(setsockopt),
	CALL(shutdown),
	CALL(signalfd4),
	CALL(socket),
	CALL(socketpair),
	CALL(statfs),
#ifdef SYS_statx
	CALL(statx),
#endif
	CALL(sysinfo),
	CALL(tgkill),
	CALL(timerfd_create),
	CALL(timerfd_settime),
	CALL(umask),
	CALL(uname),
	CALL(unlinkat),
#ifdef SYS_unlink
	CALL(unlink),
#endif
	CALL(write),
	CALL(writev),
	{ NULL, 0 },
};

/* What a process cannot end without. */
static const int always[] = { SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall };

/* -- The filter ----------------------------------------------------------------- */

enum { FILTER_MAX = 256 };

static struct sock_filter filter[FILTER_MAX];
static unsigned short filter_size;

static void filter_add(struct sock_filter instruction)
{
	if (filter_size == FILTER_MAX)
		abort();
	filter[filter_size++] = instruction;
}

static void filter_answer(int number, unsigned int answer)
{
	filter_add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number,
						0, 1));
	filter_add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
}

static void filter_install(int call, int error)
{
	unsigned int refusal = SECCOMP_RET_ERRNO | (unsigned int)error;
	struct sock_fprog program = { 0, filter };
	size_t i;

	filter_size = 0;
	filter_add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						offsetof(struct seccomp_data, nr)));
	if (call >= 0)
		filter_answer(scenario_calls[call].number, refusal);
	if (call == SCENARIO_UNLISTED) {
		for (i = 0; scenario_calls[i].name; i++)
			filter_answer(scenario_calls[i].number, SECCOMP_RET_ALLOW);
		for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
			filter_answer(always[i], SECCOMP_RET_ALLOW);
	}
	filter_add((struct sock_filter)BPF_STMT(
		BPF_RET | BPF_K, call == SCENARIO_UNLISTED ? refusal : SECCOMP_RET_ALLOW));
	program.len = filter_size;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		abort();
}

/* Leave @n descriptors. */
static void descriptors_limit(int n)
{
	struct rlimit limit;
	int last = dup(0);

	close(last);
	if (last < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		abort();
	limit.rlim_cur = (rlim_t)(last + n);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		abort();
}

static void sandbox_enter(int call, int error)
{
	if (call <= SCENARIO_LEFT(0))
		descriptors_limit(SCENARIO_LEFT(0) - call);
	else
		filter_install(call, error);
}

/* -- Both ends ------------------------------------------------------------------ */

/* Of parent, server and client. */
static struct shared {
	_Atomic(int) done;	/* steps */
	_Atomic(int) ready;	/* the server has tried to run its services */
	_Atomic(int) connected; /* as often the client has */
	_Atomic(int) left;	/* the client has ended */
} * shared;

static char names[2][64];

struct message {
	struct qb_ipc_request_header header;
	char text[LARGE_SIZE];
};
static struct message message;
static char answer[LARGE_SIZE + 1000];

static void done(int step)
{
	atomic_fetch_or(&shared->done, step);
}

/* -- Server --------------------------------------------------------------------- */

static qb_loop_t *loop;
static int destroyed;
static bool timed, signalled;

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t fd_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t fd_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t fd_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static void stop_when_all_is_done(void)
{
	if (timed && signalled)
		done(SCENARIO_LOOP);
	/* At least: one that cannot use the native wire connects once more. */
	if (shared->left && destroyed >= shared->connected && timed && signalled)
		qb_loop_stop(loop);
}

static int32_t on_request(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct qb_ipc_request_header *h = data;

	if (h->id == EVENT)
		qb_ipcs_event_send(c, data, size);
	else
		qb_ipcs_response_send(c, data, size);
	return 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	destroyed++;
	stop_when_all_is_done();
}

static void on_time(void *data)
{
	timed = true;
	stop_when_all_is_done();
}

static int32_t on_signal(int32_t number, void *data)
{
	signalled = true;
	stop_when_all_is_done();
	return 0;
}

static int server(enum qb_ipc_type type)
{
	struct qb_ipcs_service_handlers handlers = { .msg_process = on_request,
						     .connection_destroyed = on_destroyed };
	struct qb_ipcs_poll_handlers poll = { job_add, fd_add, fd_mod, fd_del };
	qb_ipcs_service_t *services[2];
	qb_loop_timer_handle timer;
	qb_loop_signal_handle signal_handle;
	int running = 0;

	loop = qb_loop_create();
	for (int i = 0; i < 2; i++) {
		services[i] = qb_ipcs_create(names[i], 0, type, &handlers);
		if (!services[i])
			continue;
		qb_ipcs_poll_handlers_set(services[i], &poll);
		if (qb_ipcs_run(services[i]) == 0)
			running++;
		else
			services[i] = NULL;
	}
	if (running == 2)
		done(SCENARIO_RUN);
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGUSR1, NULL, on_signal, &signal_handle);
	qb_loop_timer_add(loop, QB_LOOP_HIGH, 1000000, NULL, on_time, &timer);
	shared->ready = 1;
	qb_loop_run(loop);
	for (int i = 0; i < 2; i++)
		if (services[i])
			qb_ipcs_destroy(services[i]);
	qb_loop_destroy(loop);
	done(SCENARIO_END);
	return 0;
}

/* -- Client --------------------------------------------------------------------- */

static bool call(qb_ipcc_connection_t *c, size_t size)
{
	struct iovec iov = { &message, size };

	message.header = (struct qb_ipc_request_header){ .id = ECHO, .size = (int32_t)size };
	return qb_ipcc_sendv_recv(c, &iov, 1, answer, sizeof(answer), ANSWER_MS) ==
	       (ssize_t)size;
}

static bool event(qb_ipcc_connection_t *c)
{
	size_t size = 64;

	message.header = (struct qb_ipc_request_header){ .id = EVENT, .size = (int32_t)size };
	return qb_ipcc_send(c, &message, size) == (ssize_t)size &&
	       qb_ipcc_event_recv(c, answer, sizeof(answer), ANSWER_MS) == (ssize_t)size;
}

static void client(void)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(names[0], sizeof(answer));
	qb_ipcc_connection_t *other;

	if (c) {
		shared->connected++;
		done(SCENARIO_CONNECT);
		if (call(c, 64))
			done(SCENARIO_CALL);
		if (event(c))
			done(SCENARIO_EVENT);
		if (call(c, LARGE_SIZE))
			done(SCENARIO_LARGE);
	}
	other = qb_ipcc_connect(names[1], sizeof(answer));
	if (other) {
		shared->connected++;
		if (call(other, 64))
			done(SCENARIO_SECOND);
		qb_ipcc_disconnect(other);
	}
	if (c)
		qb_ipcc_disconnect(c);
}

/* -- Parent --------------------------------------------------------------------- */

static pid_t server_start(enum qb_ipc_type type, bool filtered, int call_index, int error)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (filtered)
		sandbox_enter(call_index, error);
	_exit(server(type));
}

static pid_t client_start(bool filtered, int call_index, int error)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (filtered)
		sandbox_enter(call_index, error);
	client();
	_exit(0);
}

static bool process_runs(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

/* Until it has ended, or killed at @end. */
static void process_end(pid_t pid, uint64_t end)
{
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_ms() >= end)
			kill(pid, SIGKILL);
		pause_briefly();
	}
}

static int entry_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)remove(path);
	return 0;
}

/* Files of a server that was killed, or that was not allowed to remove them. */
static void files_remove(pid_t pid)
{
	char pattern[64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/dev/shm/qb-%d-*", (int)pid);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			nftw(found.gl_pathv[i], entry_remove, 4, FTW_DEPTH | FTW_PHYS);
	globfree(&found);
}

int scenario_run(enum qb_ipc_type type, enum scenario_end end, int call, int error,
		 int limit_ms)
{
	bool refuse = call != SCENARIO_NOTHING;
	uint64_t limit = now_ms() + (uint64_t)limit_ms;
	static unsigned int count;
	pid_t s, c;
	int steps;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		abort();
	count++;
	snprintf(names[0], sizeof(names[0]), "sandbox-%d-%u", (int)getpid(), count);
	snprintf(names[1], sizeof(names[1]), "sandbox-%d-%u-b", (int)getpid(), count);
	s = server_start(type, refuse && end != SCENARIO_CLIENT, call, error);
	while (!shared->ready && now_ms() < limit && process_runs(s))
		pause_briefly();
	if (shared->ready)
		kill(s, SIGUSR1);
	c = client_start(refuse && end != SCENARIO_SERVER, call, error);
	process_end(c, limit);
	shared->left = 1;
	if (shared->ready)
		kill(s, SIGUSR1);
	process_end(s, limit);
	files_remove(s);
	steps = shared->done;
	munmap(shared, sizeof(*shared));
	return steps;
}
