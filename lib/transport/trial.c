/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/random.h"
#include "base/refused.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/sealed.h"

#define TRIAL_SIZE 4096

static const enum qbi_why_call call_names[] = {
	[QBI_SEALED_MEMFD_CREATE] = QBI_CALL_MEMFD_CREATE,
	[QBI_SEALED_FTRUNCATE] = QBI_CALL_FTRUNCATE,
	[QBI_SEALED_FCNTL] = QBI_CALL_SEALS,
	[QBI_SEALED_OPEN] = QBI_CALL_OPEN,
	[QBI_SEALED_FCHMOD] = QBI_CALL_FCHMOD,
	[QBI_SEALED_FSTAT] = QBI_CALL_FSTAT,
	[QBI_SEALED_FSTATFS] = QBI_CALL_FSTATFS,
};

static int memory_map(int fd, int protection)
{
	void *base = mmap(NULL, TRIAL_SIZE, protection, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	(void)munmap(base, TRIAL_SIZE);
	return 0;
}

/* Pass a descriptor to this process itself. The queue of pair[1] stays empty. */
static int descriptor_pass(const int pair[2], int fd)
{
	ssize_t n = qbi_socket_pass(pair[1], "", 1, &fd, 1);

	return n < 0 ? (int)n : 0;
}

void qbi_trial_release(struct qbi_trial *trial)
{
	while (trial->n > 0)
		qbi_close(trial->fds[--trial->n]);
}

/* A socket that can pass @memory, in *@ret, or -1 if this is not known and not needed. */
static struct qbi_why passing_try(enum qb_ipc_type type, int memory, int *ret)
{
	int pair[2];
	int r;

	*ret = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return type == QB_IPC_SOCKET ? qbi_why_server(QBI_CALL_SOCKETPAIR, -errno) :
					       (struct qbi_why){ 0 };
	r = descriptor_pass(pair, memory);
	qbi_close(pair[0]);
	*ret = pair[1];
	return r < 0 ? qbi_why_server(QBI_CALL_SENDMSG, r) : (struct qbi_why){ 0 };
}

static struct qbi_why number_try(void)
{
	uint64_t number;
	int r = qbi_random_number(&number);

	return r < 0 ? qbi_why_server(QBI_CALL_GETRANDOM, r) : (struct qbi_why){ 0 };
}

/* What a connection passes, in its order, from what was tried. */
static struct qbi_trial sample_of(enum qb_ipc_type type, int *memory, int *second, int *socket)
{
	struct qbi_trial sample = { .n = 0 };

	sample.fds[sample.n++] = qbi_take_fd(memory);
	sample.fds[sample.n++] = qbi_take_fd(second);
	if (type == QB_IPC_SOCKET)
		sample.fds[sample.n++] = qbi_take_fd(socket);
	return sample;
}

struct qbi_why qbi_transport_trial_server(enum qb_ipc_type type, struct qbi_trial *ret_trial)
{
	enum qbi_sealed_call call;
	_cleanup_(qbi_closep) int memory = qbi_sealed_create(TRIAL_SIZE, &call);
	_cleanup_(qbi_closep) int second = -1; /* of memory, or of a socket */
	_cleanup_(qbi_closep) int socket = -1;
	struct qbi_why why = { 0 };
	int r;

	if (memory < 0)
		return qbi_why_server(call_names[call], memory);
	r = memory_map(memory, PROT_READ | PROT_WRITE);
	if (r < 0)
		return qbi_why_server(QBI_CALL_MMAP, r);
	if (type != QB_IPC_SOCKET) {
		second = qbi_sealed_reopen(memory, &call);
		if (second < 0)
			return qbi_why_server(call_names[call], second);
	}
	if (type != QB_IPC_SOCKET)
		why = number_try();
	if (!why.code)
		why = passing_try(type, memory, &socket);
	if (why.code || !ret_trial)
		return why;
	if (type == QB_IPC_SOCKET)
		second = fcntl(socket, F_DUPFD_CLOEXEC, 0);
	if (second < 0)
		return qbi_why_server(QBI_CALL_SOCKETPAIR, -errno);
	*ret_trial = sample_of(type, &memory, &second, &socket);
	return why;
}

/* What is no sealed memory at all is not this process's obstacle. */
static struct qbi_why memory_trial(int fd)
{
	enum qbi_sealed_call call;
	uint64_t size;
	int r = qbi_sealed_check(fd, &size, &call);

	if (r < 0 && r != -EBADMSG)
		return qbi_why_client(call_names[call], r);
	r = r < 0 ? 0 : memory_map(fd, PROT_READ);
	return r < 0 ? qbi_why_client(QBI_CALL_MMAP, r) : (struct qbi_why){ 0 };
}

/* The others are sockets. Unlike fstat(2), this never waits, whatever a peer has passed. */
static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

struct qbi_why qbi_transport_trial_client(const int *fds, unsigned int n)
{
	unsigned int i;
	int r;

	for (i = 0; i < n; i++) {
		if (fds[i] < 0)
			continue;
		if (i == 0 || is_memory(fds[i])) {
			struct qbi_why why = memory_trial(fds[i]);

			if (why.code)
				return why;
			continue;
		}
		r = qbi_socket_check(fds[i], SOCK_STREAM);
		/* The type of the socket does not matter here. */
		if (r < 0 && r != -EBADMSG)
			return qbi_why_client(QBI_CALL_GETSOCKOPT, r);
	}
	return (struct qbi_why){ 0 };
}
