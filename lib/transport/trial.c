/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/trial.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int descriptor_send(int stream, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg;

	memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(stream, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

struct qbi_why qbi_transport_trial_server(enum qb_ipc_type type)
{
	enum qbi_sealed_call call;
	_cleanup_(qbi_closep) int memory = qbi_sealed_create(TRIAL_SIZE, &call);
	_cleanup_(qbi_closep) int for_reading = -1;
	int pair[2];
	int r;

	if (memory < 0)
		return qbi_why_server(call_names[call], memory);
	r = memory_map(memory, PROT_READ | PROT_WRITE);
	if (r < 0)
		return qbi_why_server(QBI_CALL_MMAP, r);
	if (type != QB_IPC_SOCKET) {
		for_reading = qbi_sealed_reopen(memory, &call);
		if (for_reading < 0)
			return qbi_why_server(call_names[call], for_reading);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return qbi_why_server(QBI_CALL_SOCKETPAIR, -errno);
	r = descriptor_send(pair[0], memory);
	qbi_close(pair[0]);
	qbi_close(pair[1]);
	return r < 0 ? qbi_why_server(QBI_CALL_SENDMSG, r) : (struct qbi_why){ 0 };
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

/* A descriptor of a regular file is one of memory; the others are sockets. */
static bool is_memory(int fd)
{
	struct stat st;

	return qbi_status_get(fd, &st) == 0 && S_ISREG(st.st_mode);
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
