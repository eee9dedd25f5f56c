/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/hostile.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/reclaim.h"
#include "base/util.h"
#include "ring/region.h"
#include "tests/fuzz/ends.h"
#include "tests/lib/pump.h"
#include "wire/handshake.h"

enum { TURNS = 20000, STRANGER = 70001, WORDS = 4096 };

struct hostile hostile[HOSTILE];
static const char *service;
static unsigned int serial, lingering;

void hostile_begin(const char *to)
{
	service = to;
	lingering = 0;
	for (int i = 0; i < HOSTILE; i++)
		hostile[i] = (struct hostile){ .fd = -1 };
}

/* -- Another user ------------------------------------------------------------------ */

/* Bound to a name that says so; the name is free again with the socket. */
static void stranger_become(int fd, unsigned int which)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1;

	size += (socklen_t)snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1,
				    "fuzz-stranger-%u-%d-%u", which, (int)getpid(), ++serial);
	FUZZ_CHECK(bind(fd, (struct sockaddr *)&a, size) == 0);
}

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	struct sockaddr_un a = { .sun_family = AF_UNSPEC };
	socklen_t a_size = sizeof(a) - 1;
	int r = __real_getsockopt(fd, level, option, value, size);
	unsigned int which;

	if (r < 0 || level != SOL_SOCKET || option != SO_PEERCRED)
		return r;
	if (getpeername(fd, (struct sockaddr *)&a, &a_size) == 0 && a.sun_family == AF_UNIX &&
	    sscanf(a.sun_path + 1, "fuzz-stranger-%u-", &which) == 1) {
		struct ucred *peer = value;

		peer->uid = STRANGER + which;
		peer->gid = STRANGER;
	}
	return r;
}

/* What a thread does for strangers that have left is done at once: there is one thread. */
int __wrap_qbi_reclaim_add(struct qbi_reclaim *r, qbi_reclaim_fn run, uint64_t memory,
			   uid_t uid);
int __wrap_qbi_reclaim_add(struct qbi_reclaim *r, qbi_reclaim_fn run, uint64_t memory,
			   uid_t uid)
{
	FUZZ_CHECK(uid >= STRANGER);
	while (run(r) == QBI_AGAIN)
		;
	free(r);
	return 0;
}

/* -- Coming, and what they are given --------------------------------------------- */

static void map_add(struct hostile *h, int fd, bool keep)
{
	struct stat st;
	void *m;

	if (h->n_maps == QBI_ARRAY_SIZE(h->map) || fstat(fd, &st) < 0 || st.st_size == 0)
		return;
	m = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return;
	h->map[h->n_maps].at = m;
	h->map[h->n_maps].size = (size_t)st.st_size;
	h->map[h->n_maps++].fd = keep ? dup(fd) : -1;
}

static void file_add(struct hostile *h, const char *path, const char *suffix)
{
	char whole[QBI_WIRE_NAME_SIZE + 16];
	int fd;

	snprintf(whole, sizeof(whole), "%s%s", path, suffix);
	fd = open(whole, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map_add(h, fd, true);
	close(fd);
}

void hostile_read(struct hostile *h)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 3)];
	} control;
	static struct qbi_welcome w;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n = h->fd < 0 ? -1 : recvmsg(h->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (c && c->cmsg_type == SCM_RIGHTS && h->n_fds == 0) {
		h->n_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(h->fds, CMSG_DATA(c), h->n_fds * sizeof(int));
		map_add(h, h->fds[0], false);
	}
	if (n == sizeof(w))
		h->number = w.opaque;
	if (n == sizeof(w) && !c && w.error == 0 && w.type == QB_IPC_SHM) {
		file_add(h, w.request, "-header");
		file_add(h, w.request, "-data");
		file_add(h, w.response, "-header");
		file_add(h, w.event, "-header");
	} else if (n == sizeof(w) && !c && w.error == 0) {
		file_add(h, w.request, "");
	}
}

/*
 * While the process has but @left descriptors to open. The limit is one of numbers: those
 * that are free below the last open one are taken, so that each that is closed is one more.
 */
static void scarcely_settle(unsigned int left)
{
	unsigned int open = fds_count(), n = 0;
	int taken[1024];
	struct rlimit limit, few;

	FUZZ_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((unsigned int)(taken[n] = dup(STDERR_FILENO)) < open + n)
		FUZZ_CHECK(++n < QBI_ARRAY_SIZE(taken));
	close(taken[n]);
	few = (struct rlimit){ open + n + left, limit.rlim_max };
	FUZZ_CHECK(few.rlim_cur <= limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &few) == 0);
	(void)pump_settle(TURNS);
	FUZZ_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while (n)
		close(taken[--n]);
}

void hostile_connect(struct hostile *h, uint8_t how)
{
	static const uint32_t sizes[] = { 12328, 60000, HOSTILE_LARGEST, 0 };
	struct sockaddr_un address = service_address(service);
	struct qbi_hello hello;

	hostile_close(h);
	h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(h->fd >= 0);
	if (how & 4)
		stranger_become(h->fd, how / 8 % 2);
	FUZZ_CHECK(connect(h->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	if (how & 1)
		return; /* by hand, or never */
	qbi_hello_init(&hello, sizes[how / 16 % 4], how & 2 ? 0 : 1);
	if (how / 64 == 3)
		hello.abilities = QBI_ABILITY_WATCH;
	(void)send_with(h->fd, &hello, sizeof(hello), NULL, 0);
	if (how / 64 == 2)
		scarcely_settle(how / 8 % 8);
	else
		(void)pump_settle(TURNS);
	hostile_read(h);
	/* Before that no request is taken. */
	if (how / 64 == 1 && h->number)
		hostile_join(h, how & 12);
}

void hostile_join(struct hostile *h, uint8_t how)
{
	struct sockaddr_un address = service_address(service);
	const int fds[] = { STDERR_FILENO };
	struct qbi_hello hello;
	int fd;

	if (h->fd < 0 || h->n_fds == QBI_ARRAY_SIZE(h->fds))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(fd >= 0);
	if (how & 4)
		stranger_become(fd, how / 8 % 2);
	FUZZ_CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	qbi_hello_join(&hello, h->number + (how & 1));
	/* Some kernels refuse descriptors on the server's behalf, and the message with them. */
	if (send_with(fd, &hello, sizeof(hello), fds, how & 2 ? 1 : 0) < 0)
		(void)send_with(fd, &hello, sizeof(hello), NULL, 0);
	if (how & 16)
		(void)send_with(fd, &hello, sizeof(hello), NULL, 0);
	h->fds[h->n_fds++] = fd;
}

void hostile_close(struct hostile *h)
{
	for (unsigned int i = 0; i < h->n_maps; i++) {
		munmap(h->map[i].at, h->map[i].size);
		qbi_close(h->map[i].fd);
	}
	for (unsigned int i = 0; i < h->n_fds; i++)
		close(h->fds[i]);
	qbi_close(h->fd);
	lingering += h->sent_itself;
	*h = (struct hostile){ .fd = -1 };
}

/* -- What they do ---------------------------------------------------------------- */

void hostile_send(struct hostile *h, struct input *in, uint8_t how)
{
	uint8_t bytes[512];
	const int fds[] = { STDERR_FILENO, h->fd, STDERR_FILENO };
	unsigned int which = how % 4, n_fds = h->fd >= 0 ? how / 4 % 4 : 0;
	size_t n = input_u8(in) * 2;
	int to = which == 0 || which > h->n_fds ? h->fd : h->fds[which - 1];

	input_bytes(in, bytes, n);
	if (to >= 0 && send_with(to, bytes, n, fds, n_fds) > 0 && n_fds > 1)
		h->sent_itself = true;
}

/* Anywhere in the shared memory; the words of the rings come first, so small offsets. */
void hostile_write(struct hostile *h, struct input *in, uint8_t how)
{
	size_t at = how & 1 ? input_u32(in) : (size_t)input_u8(in) * 4;
	uint64_t value = how & 2 ? input_u64(in) : input_u8(in), now;
	unsigned int i = input_u8(in);
	struct stat st;

	if (!h->n_maps)
		return;
	i %= h->n_maps;
	if (h->map[i].fd >= 0 &&
	    (fstat(h->map[i].fd, &st) < 0 || (size_t)st.st_size < h->map[i].size))
		return; /* it has cut it off itself */
	at %= h->map[i].size - sizeof(value);
	memcpy(&now, h->map[i].at + at, sizeof(now));
	if (how & 4)
		value += now;
	memcpy(h->map[i].at + at, &value, how & 8 ? 4 : 8);
}

/* A piece of a body: one of the first few. */
static size_t piece_make(uint8_t id, uint32_t *record)
{
	record[0] = 24;
	record[1] = 0x71706365;
	record[2] = id & 0x80 ? BODY_MOST + 1 : BODY_MOST;
	record[3] = id % 8 * 16;
	return 8 + record[0];
}

/* A message; or one with a deadline, or the cancel of a request: numbers are small. */
static size_t record_make(struct input *in, uint32_t *record)
{
	uint8_t id = input_u8(in), size = input_u8(in), kind = size / 2 % 4;
	uint32_t *message = record + (kind == 1 ? 4 : 2);

	if (kind == 3 && size & 1)
		return piece_make(id, record);
	record[0] = kind == 1 ? 32 : kind == 2 ? 8 : 24;
	record[1] = kind == 1 ? 0x716d7464 : kind == 2 ? 0x7163616e : 0x716d7367;
	record[2] = kind == 2 ? id % 8 : id & 1;
	if (kind == 2)
		return 16;
	message[0] = id;
	message[2] = size & 1 ? 24 : size;
	return 8 + record[0];
}

/* A record as the ring has it on the native wire, at the count given. */
void hostile_record(struct hostile *h, struct input *in)
{
	uint32_t record[10] = { 0 };
	uint64_t tail, capacity;
	size_t size = record_make(in, record);

	if (h->n_maps != 1 || h->map[0].size < 2 * WORDS)
		return;
	capacity = h->map[0].size - WORDS;
	memcpy(&tail, h->map[0].at, sizeof(tail));
	tail &= ~(uint64_t)7;
	if (tail % capacity + size > capacity)
		return;
	memcpy(h->map[0].at + WORDS + tail % capacity, record, size);
	tail += size + input_u8(in) % 2;
	memcpy(h->map[0].at, &tail, sizeof(tail));
	(void)send_with(h->fd, "", 1, NULL, 0);
}

void hostile_truncate(struct hostile *h, uint8_t how)
{
	unsigned int i = how / 16 % QBI_ARRAY_SIZE(h->map);

	if (i < h->n_maps && h->map[i].fd >= 0)
		FUZZ_CHECK(ftruncate(h->map[i].fd, how & 8 ? 0 : 4096) == 0);
}

/* -- What they account for ------------------------------------------------------- */

unsigned int hostile_count(void)
{
	unsigned int n = lingering;

	for (int i = 0; i < HOSTILE; i++)
		n += hostile[i].fd >= 0;
	return n;
}

unsigned int hostile_fds(void)
{
	unsigned int n = 0;

	for (int i = 0; i < HOSTILE; i++)
		n += (hostile[i].fd >= 0) + hostile[i].n_fds + hostile[i].n_maps;
	return n;
}

size_t hostile_mapped(void)
{
	size_t n = 0, page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < HOSTILE; i++)
		for (unsigned int j = 0; j < hostile[i].n_maps; j++)
			n += (hostile[i].map[j].size + page - 1) / page * page;
	return n;
}
