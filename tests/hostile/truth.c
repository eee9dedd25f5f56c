/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/truth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/hostile/raw-wires.h"

static const char *const channels[CHANNELS] = { "request", "response", "event" };

/* -- Native ---------------------------------------------------------------------------- */

int truth_memory(uint64_t size, int seals)
{
	int fd = memfd_create("truth", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	REQUIRE(fd >= 0);
	REQUIRE_EQ(ftruncate(fd, (off_t)size), 0);
	REQUIRE_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Ours is kept as the raw peer keeps it, theirs goes out. */
static void pair_make(struct truth *t, int type)
{
	int pair[2];

	REQUIRE_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	t->mine.fds[t->mine.n_fds++] = pair[0];
	t->fds[t->n_fds++] = pair[1];
}

int truth_reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Ours is for writing, theirs for reading. */
static void sent_make(struct truth *t)
{
	int fd = truth_memory(native_sent(WIRE_SMALLEST), TRUTH_SEALS);

	t->mine.fds[t->mine.n_fds++] = fd;
	t->fds[t->n_fds++] = truth_reopen(fd);
}

static void native_make(struct truth *t)
{
	bool memory = t->welcome.type == WIRE_MEMORY;

	t->welcome.mark = WIRE_MARK;
	t->welcome.version = WIRE_VERSION;
	t->fds[t->n_fds++] =
		truth_memory(memory ? native_common(WIRE_SMALLEST) : NATIVE_DATA, TRUTH_SEALS);
	t->mine.fds[t->mine.n_fds++] = dup(t->fds[NATIVE_COMMON_FD]);
	if (memory)
		sent_make(t);
	for (int i = 0; i < 2 && !memory; i++)
		pair_make(t, SOCK_SEQPACKET);
	raw_open(&t->mine);
}

/* -- libqb's wire ------------------------------------------------------------------------ */

static int file_make(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	REQUIRE_MSG(fd >= 0, "%s: %s", path, strerror(errno));
	REQUIRE_EQ(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void ring_make(struct truth *t, int channel, char *name)
{
	uint64_t size = qb_data_size(WIRE_SMALLEST);
	char path[WIRE_NAME + 10];
	uint32_t words = (uint32_t)(size / 4), refs = 1;
	int fd;

	snprintf(name, WIRE_NAME, "%.100s/qb-%s-%.100s", t->dir, channels[channel], t->name);
	snprintf(path, sizeof(path), "%s-header", name);
	fd = file_make(path, QB_HEADER_SIZE + (channel == REQUEST ? QB_USER_SIZE : 0));
	REQUIRE_EQ(pwrite(fd, &words, 4, QB_WORDS), 4);
	REQUIRE_EQ(pwrite(fd, &refs, 4, QB_REFS), 4);
	close(fd);
	snprintf(path, sizeof(path), "%s-data", name);
	close(file_make(path, size));
}

static int channel_bind(const char *prefix, const char *channel)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char name[200];

	REQUIRE(fd >= 0);
	snprintf(name, sizeof(name), "%.100s-%s", prefix, channel);
	raw_address(&address, name);
	REQUIRE_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void qb_make(struct truth *t)
{
	struct wire_welcome *w = &t->welcome;
	char *names[CHANNELS] = { w->request, w->response, w->event };

	snprintf(t->dir, sizeof(t->dir), "/dev/shm/qb-%d-%d-%d-XXXXXX", (int)getpid(),
		 (int)t->client, t->stream);
	REQUIRE(mkdtemp(t->dir));
	if (w->type == WIRE_MEMORY) {
		for (int i = 0; i < CHANNELS; i++)
			ring_make(t, i, names[i]);
		t->mine.welcome = *w;
		raw_open(&t->mine);
		return;
	}
	snprintf(w->request, WIRE_NAME, "%.100s/qb-control-%.100s", t->dir, t->name);
	snprintf(w->response, WIRE_NAME, "%.100s/qb-%.100s", t->dir, t->name);
	close(file_make(w->request, QB_CONTROL_SIZE));
	t->mine.type = WIRE_SOCKETS;
	t->mine.response = channel_bind(w->response, "request");
	t->mine.event = channel_bind(w->response, "event-tx");
}

void truth_make(struct truth *t)
{
	raw_begin(&t->mine, t->stream);
	t->welcome.id = WIRE_AUTHENTICATE;
	t->welcome.size = sizeof(t->welcome);
	t->welcome.type = variants[t->variant].type == QB_IPC_SHM ? WIRE_MEMORY : WIRE_SOCKETS;
	t->welcome.max_msg_size = WIRE_SMALLEST;
	t->welcome.opaque = 7;
	/* Our own ends are opened as the raw peer opens them, by the answer. */
	t->mine.welcome = t->welcome;
	if (!variants[t->variant].libqb_wire) {
		t->mine.welcome.mark = WIRE_MARK;
		native_make(t);
		return;
	}
	qb_make(t);
}

static void dir_remove(const char *dir)
{
	char path[400];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.')
			continue;
		if (unlink(path) < 0)
			rmdir(path);
	}
	if (d)
		closedir(d);
	if (rmdir(dir) < 0)
		unlink(dir);
}

void truth_remove(pid_t server)
{
	DIR *d = opendir("/dev/shm");
	char path[300];
	struct dirent *e;
	int pid, client;

	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, "qb-%d-%d-", &pid, &client) == 2 && pid == (int)server) {
			snprintf(path, sizeof(path), "/dev/shm/%s", e->d_name);
			dir_remove(path);
		}
	if (d)
		closedir(d);
}

void truth_end(struct truth *t)
{
	raw_close(&t->mine);
	while (t->n_fds > 0)
		close(t->fds[--t->n_fds]);
	if (t->dir[0])
		dir_remove(t->dir);
}

/* -- Messages ------------------------------------------------------------------------------ */

ssize_t truth_take(struct truth *t, void *buf, size_t size)
{
	ssize_t n;

	if (t->mine.type == WIRE_MEMORY || t->mine.native)
		return raw_take(&t->mine, REQUEST, buf, size);
	n = recv(t->mine.response, buf, size, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static int datagram_put(struct truth *t, enum wire_channel channel, const void *msg,
			size_t size)
{
	int fd = channel == EVENT ? t->mine.event : t->mine.response;
	struct sockaddr_un address;
	char name[200];

	snprintf(name, sizeof(name), "%.100s-%s", t->welcome.response, channels[channel]);
	raw_address(&address, name);
	return sendto(fd, msg, size, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		      sizeof(address)) < 0 ?
		       -errno :
		       0;
}

static int packet_put(struct truth *t, enum wire_channel channel, const void *msg, size_t size)
{
	struct native_packet packet = { (uint32_t)size, 0 };
	struct iovec iov[2] = { { &packet, sizeof(packet) }, { (void *)(uintptr_t)msg, size } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd = t->mine.fds[channel == EVENT ? NATIVE_EVENT_FD : NATIVE_CALL_FD];

	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int truth_bell(struct truth *t)
{
	struct pollfd p = { .fd = t->listener, .events = POLLIN };
	struct wire_hello hello, right = raw_join_hello(t->welcome.opaque);
	int fd;

	if (!t->mine.native || t->mine.type != WIRE_MEMORY)
		return -1;
	if (t->mine.n_fds > NATIVE_BELL_FD)
		return t->mine.fds[NATIVE_BELL_FD];
	if (poll(&p, 1, 0) <= 0)
		return -1;
	fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(fd >= 0);
	/* Or the client has left meanwhile. */
	if (recv(fd, &hello, sizeof(hello), MSG_WAITALL) == sizeof(hello))
		REQUIRE_EQ(memcmp(&hello, &right, sizeof(hello)), 0);
	t->mine.fds[t->mine.n_fds++] = fd;
	return fd;
}

static int memory_put(struct truth *t, enum wire_channel channel, const void *msg, size_t size)
{
	struct native_record record = { (uint32_t)size, NATIVE_MESSAGE };
	bool ring = channel == EVENT;
	int r;

	if (t->mine.native)
		r = native_put(&t->mine, channel, &record, msg, size, &ring);
	else
		r = qb_put(&t->mine, channel, (uint32_t)size, QB_VALID, msg, size);
	if (r == 0 && ring)
		(void)send(channel == EVENT ? t->stream : truth_bell(t), "", 1,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	return r;
}

int truth_put(struct truth *t, enum wire_channel channel, const void *msg, size_t size)
{
	if (t->mine.type == WIRE_MEMORY)
		return memory_put(t, channel, msg, size);
	return t->mine.native ? packet_put(t, channel, msg, size) :
				datagram_put(t, channel, msg, size);
}
