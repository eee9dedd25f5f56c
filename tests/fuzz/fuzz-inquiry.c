/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's side of the questions that are answered in pages: a false server gives a
 * snapshot, or a description. The input says what of each page is not as it should be, how
 * much of it comes, and in which pieces it is read.
 *
 * What the client makes of the pages is worked out here a second time: its error, or the
 * list, and after how many pages it asks no more. Afterwards everything is as it was.
 *
 * Linked with --wrap=send, after which the server answers, and --wrap=recvmsg, which makes
 * the pieces.
 */
#include "config.h"

#include <qb/qbipc_ext.h>

#include "base/util.h"
#include "tests/fuzz/ends.h"
#include "wire/description.h"
#include "wire/handshake.h"
#include "wire/page.h"
#include "wire/snapshot.h"

enum { ROOM = 128 << 10, PAGES_MAX = 64, KEYS_MAX = PAGES_MAX * 256 };

static char name[64];
static int listener = -1;
static size_t piece_max;

/* What is asked, the input for the answers, and what must come of it. */
static struct {
	bool describe;
	struct input in;
	unsigned int pages;
	int result; /* 1: another page is due */
	uint64_t key[KEYS_MAX];
	uint32_t flags[KEYS_MAX]; /* of handlers; any may come */
	size_t n_keys;
} model;

/* -- The server --------------------------------------------------------------------- */

static size_t head_size(void)
{
	return model.describe ? sizeof(struct qbi_description_head) :
				sizeof(struct qbi_snapshot_head);
}

static size_t record_size(void)
{
	return model.describe ? sizeof(struct qbi_description_record) :
				sizeof(struct qbi_snapshot_record);
}

/* The key of the next record: mostly behind the last one. */
static uint64_t key_next(uint64_t key, int8_t step)
{
	return model.describe ? (uint32_t)((uint32_t)key + (uint32_t)step) :
				key - (uint64_t)step;
}

static void record_make(uint8_t *to, uint64_t key, uint8_t how)
{
	struct qbi_description_record d = { .id = (int32_t)key, .min_size = key };
	struct qbi_snapshot_record s = { .number = key };

	memset(d.name, 'n', how % 8 == 7 ? sizeof(d.name) : how % 8);
	if (model.describe)
		memcpy(to, &d, sizeof(d));
	else
		memcpy(to, &s, sizeof(s));
}

static void welcome_make(struct input *in, struct qbi_welcome *w, uint8_t wrong)
{
	qbi_welcome_init(w, 0);
	w->mark = QBI_WIRE_MARK;
	w->abilities = model.describe ? QBI_ABILITY_DESCRIBE : QBI_ABILITY_WATCH;
	w->type = QB_IPC_SHM;
	w->max_msg_size = QBI_MIN_MSG_SIZE;
	switch (wrong % 8) {
	case 1: w->mark = input_u32(in); break;
	case 2: w->abilities = input_u32(in); break;
	case 3: w->error = (int32_t)input_u32(in); break;
	default: break;
	}
}

/* One answer. Returns its size. */
static size_t answer_make(struct input *in, uint8_t *to)
{
	uint8_t wrong = input_u8(in), sizes = input_u8(in), more = input_u8(in);
	struct qbi_page page = {
		.mark = model.describe ? QBI_DESCRIPTION_MARK : QBI_SNAPSHOT_MARK,
		.head_size = (uint32_t)head_size() + sizes % 4,
		.record_size = (uint32_t)record_size() + sizes / 4 % 4,
		.records = input_u8(in),
	};
	size_t stride = page.record_size, at, more_at;
	uint64_t key = input_u64(in);
	uint32_t records = page.records, i;

	welcome_make(in, (struct qbi_welcome *)(void *)to, wrong);
	at = sizeof(struct qbi_welcome);
	more_at = at + (model.describe ? offsetof(struct qbi_description_head, more) :
					 offsetof(struct qbi_snapshot_head, more));
	to[more_at] = more & 1;
	at += page.head_size;
	for (i = 0; i < records && in->left && at + stride <= ROOM; i++, at += stride) {
		uint8_t how = input_u8(in);

		record_make(to + at, key, how);
		key = key_next(key, (int8_t)(how & 0x80 ? how : how / 8 + 1));
	}
	if (sizes & 0x10)
		page.mark = input_u32(in);
	if (sizes & 0x20)
		page.head_size = input_u32(in);
	if (sizes & 0x40)
		page.record_size = input_u32(in);
	if (sizes & 0x80)
		page.records = input_u32(in);
	memcpy(to + sizeof(struct qbi_welcome), &page, sizeof(page));
	return wrong & 0x80 ? input_u32(in) % (at + 1) : at;
}

/* -- The client, a second time ------------------------------------------------------- */

static int key_take(const uint8_t *record)
{
	struct qbi_description_record d;
	struct qbi_snapshot_record s;
	uint64_t last = model.n_keys ? model.key[model.n_keys - 1] : 0, key;

	memcpy(&d, record, sizeof(d));
	memcpy(&s, record, sizeof(s));
	key = model.describe ? (uint32_t)d.id : s.number;
	if (model.n_keys && (model.describe ? d.id <= (int32_t)last : key >= last))
		return -EBADMSG;
	if (model.describe && strnlen(d.name, sizeof(d.name)) == sizeof(d.name))
		return -EBADMSG;
	model.flags[model.n_keys] = d.flags;
	model.key[model.n_keys++] = key;
	return 0;
}

static int records_take(const uint8_t *from, size_t size, const struct qbi_page *page,
			bool more)
{
	size_t whole = size / page->record_size, i;
	int r;

	if (whole > page->records)
		whole = page->records;
	for (i = 0; i < whole; i++) {
		r = key_take(from + i * page->record_size);
		if (r < 0)
			return r;
	}
	if (whole == 0 || (!more && whole == page->records))
		return 0;
	return !model.describe || model.key[model.n_keys - 1] != INT32_MAX;
}

static int answer_take(const uint8_t *answer, size_t size)
{
	const uint8_t *from = answer + sizeof(struct qbi_welcome);
	const struct qbi_welcome *w = (const void *)answer;
	uint32_t question = model.describe ? QBI_ABILITY_DESCRIBE : QBI_ABILITY_WATCH;
	struct qbi_page page;
	bool more;

	if (size < sizeof(*w))
		return -ECONNRESET;
	size -= sizeof(*w);
	if (w->mark != QBI_WIRE_MARK || !(w->abilities & question))
		return -EOPNOTSUPP;
	if (w->error != 0)
		return w->error < 0 ? w->error : -EBADMSG;
	if (size < sizeof(page))
		return -ECONNRESET;
	memcpy(&page, from, sizeof(page));
	if (page.mark != (model.describe ? QBI_DESCRIPTION_MARK : QBI_SNAPSHOT_MARK) ||
	    page.head_size < head_size() || page.record_size < record_size() ||
	    page.head_size + (uint64_t)page.record_size * page.records > 4 << 20)
		return -EBADMSG;
	if (size < page.head_size)
		return -ECONNRESET;
	more = from[model.describe ? offsetof(struct qbi_description_head, more) :
				     offsetof(struct qbi_snapshot_head, more)];
	return records_take(from + page.head_size, size - page.head_size, &page, more);
}

/* -- Between them -------------------------------------------------------------------- */

/* From where on handlers are asked for: behind the last one. */
static uint32_t place_expected(void)
{
	return model.n_keys ? (uint32_t)model.key[model.n_keys - 1] + 0x80000001u : 0;
}

/* The client's; others on the machine may be looking for services. */
static int question_accept(void)
{
	struct ucred peer = { .pid = 0 };
	socklen_t length = sizeof(peer);
	int fd = -1;

	do {
		qbi_close(fd);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		FUZZ_CHECK(fd >= 0 &&
			   getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0);
	} while (peer.pid != getpid());
	return fd;
}

static void question_answer(void)
{
	static _Alignas(struct qbi_welcome) uint8_t bytes[ROOM];
	int fd = question_accept();
	struct qbi_hello hello;
	size_t size;

	FUZZ_CHECK(model.result == 1);
	FUZZ_CHECK(recv(fd, &hello, sizeof(hello), 0) == sizeof(hello));
	FUZZ_CHECK(!model.describe || hello.version == place_expected());
	if (++model.pages == PAGES_MAX)
		model.in.left = 0;
	memset(bytes, 0, sizeof(bytes));
	size = answer_make(&model.in, bytes);
	model.result = answer_take(bytes, size);
	if (size)
		FUZZ_CHECK(send_with(fd, bytes, size, NULL, 0) == (ssize_t)size);
	close(fd);
}

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
	ssize_t n = __real_send(fd, data, size, flags);

	if (n == sizeof(struct qbi_hello))
		question_answer();
	return n;
}

ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	size_t size = m->msg_iov->iov_len;
	ssize_t n;

	if (size > piece_max)
		m->msg_iov->iov_len = piece_max;
	n = __real_recvmsg(fd, m, flags);
	m->msg_iov->iov_len = size;
	return n;
}

static void listener_open(void)
{
	struct sockaddr_un address;

	snprintf(name, sizeof(name), "fuzz-inquiry-%d", (int)getpid());
	address = service_address(name);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		   listen(listener, 8) == 0);
}

static void description_check(const qbipc_description_t *d)
{
	struct qbipc_description_info info = { .size = sizeof(info) };
	struct qbipc_description_handler h = { .size = sizeof(h) };
	uint32_t i;

	FUZZ_CHECK(qbipc_description_info_get(d, &info) == 0);
	FUZZ_CHECK(info.listed == model.n_keys && info.pid == getpid());
	for (i = 0; i < info.listed; i++) {
		FUZZ_CHECK(qbipc_description_handler_get(d, i, &h) == 0);
		FUZZ_CHECK((uint32_t)h.id == model.key[i] && h.flags == model.flags[i]);
		FUZZ_CHECK(!h.name || (h.name[0] && strlen(h.name) < QBI_DESCRIPTION_NAME));
	}
	FUZZ_CHECK(qbipc_description_handler_get(d, i, &h) == -ENOENT);
}

static void snapshot_check(const qbipc_snapshot_t *s)
{
	struct qbipc_snapshot_info info = { .size = sizeof(info) };
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };
	uint32_t i;

	FUZZ_CHECK(qbipc_snapshot_info_get(s, &info) == 0);
	FUZZ_CHECK(info.listed == model.n_keys && info.pid == getpid());
	for (i = 0; i < info.listed; i++) {
		FUZZ_CHECK(qbipc_snapshot_connection_get(s, i, &c) == 0);
		FUZZ_CHECK(c.number == model.key[i] && c.why_text);
	}
	FUZZ_CHECK(qbipc_snapshot_connection_get(s, i, &c) == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 143, 4099, SIZE_MAX, SIZE_MAX };
	qbipc_description_t *description = NULL;
	qbipc_snapshot_t *snapshot = NULL;
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	unsigned int fds;
	int r;

	if (listener < 0)
		listener_open();
	fds = fds_count();
	piece_max = pieces[how % 4];
	model.describe = how & 4;
	model.in = in;
	model.pages = 0;
	model.n_keys = 0;
	model.result = 1;
	if (model.describe)
		r = qbipc_describe(name, -1, &description);
	else
		r = qbipc_snapshot_get(name, -1, &snapshot);
	FUZZ_CHECK(r == model.result);
	FUZZ_CHECK((r == 0) == (description || snapshot));
	if (description)
		description_check(description);
	if (snapshot)
		snapshot_check(snapshot);
	qbipc_description_free(description);
	qbipc_snapshot_free(snapshot);
	FUZZ_CHECK(fds_count() == fds);
	return 0;
}
