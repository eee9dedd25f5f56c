/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A false server whose answer to the handshake is wrong, incomplete or slow, or brings
 * other descriptors than it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <qbipc/connect.h>
#include <qbipc/describe.h>
#include <qbipc/snapshot.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

/* -- The offer as it should be: or nothing below would mean anything ------------------- */

static void honest(struct truth *t, unsigned int which)
{
	truth_send(t);
	if (t->dir[0] && t->mine.type == WIRE_SOCKETS)
		t->mine.native = false;
	truth_serve(t);
}

START_TEST(offer_that_is_true_is_accepted_and_served)
{
	struct false_server f;
	qb_ipcc_connection_t *c;

	false_begin(&f, _i, honest, 0);
	c = client_connect(f.name, 0);
	for (int i = 0; i < 50; i++) {
		client_must_send(c, 100 + i, 200);
		client_must_recv(c, 100 + i, 200);
		client_must_send(c, MSG_EVENT, 100);
		client_must_recv_event(c, MSG_EVENT, 100);
	}
	qb_ipcc_disconnect(c);
	false_end(&f);
}
END_TEST

/* -- Fields ------------------------------------------------------------------------------ */

enum { FIELD_LIES = 19, BEGINNING = 12000, SHORT_MS = 200, ABILITY_DESCRIBE = 4 };
enum { QUEUE_MAX = 20 };

static void lie_about_a_field(struct truth *t, unsigned int which)
{
	static const uint32_t sizes[] = {
		0, 1, WIRE_SMALLEST - 1, (1u << 30) + 1, 1u << 31, UINT32_MAX - 15, UINT32_MAX
	};
	struct wire_welcome *w = &t->welcome;

	switch (which) {
	case 0: w->id = 0; break;
	case 1: w->id = WIRE_DISCONNECT; break;
	case 2: w->size = 0; break;
	case 3: w->size = sizeof(*w) - 1; break;
	case 4: w->size = INT32_MAX; break;
	case 5: w->type = 2; break;
	case 6: w->type = -1; break;
	case 7: w->type = 5; break;
	case 8: memset(w->request, 'x', WIRE_NAME); break;
	case 9: memset(w->response, 'x', WIRE_NAME); break;
	case 10: memset(w->event, 'x', WIRE_NAME); break;
	/* More than the client asked for; the native wire, although it did not. */
	case 11:
		w->mark = WIRE_MARK;
		w->version = t->hello.version + 1;
		break;
	default: w->max_msg_size = sizes[which - 12]; break;
	}
	truth_send(t);
}

START_TEST(field_out_of_range_is_refused)
{
	for (unsigned int i = 0; i < FIELD_LIES; i++)
		client_must_be_refused(_i, lie_about_a_field, i);
}
END_TEST

static void lie_by_refusing(struct truth *t, unsigned int which)
{
	static const int32_t errors[] = { -EACCES, EACCES, -1, INT32_MAX, INT32_MIN, -100000 };

	t->welcome.error = errors[which];
	truth_send(t);
}

START_TEST(refusal_of_any_value_is_an_error)
{
	for (unsigned int i = 0; i < 6; i++)
		client_must_be_refused(_i, lie_by_refusing, i);
}
END_TEST

/* -- Whose answer it is --------------------------------------------------------------------- */

static void rest_send(void *data)
{
	struct truth *t = data;

	REQUIRE_EQ(send(t->stream, (char *)&t->welcome + BEGINNING,
			sizeof(t->welcome) - BEGINNING, MSG_NOSIGNAL),
		   sizeof(t->welcome) - BEGINNING);
}

/* The end of it is another process's, which need not know what it writes to. */
static void lie_with_two_tongues(struct truth *t, unsigned int which)
{
	truth_send_part(t, BEGINNING);
	child_end(child_start(0, rest_send, t));
	AWAIT(truth_client_left(t));
}

START_TEST(answer_of_two_processes_is_refused)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	struct false_server f;

	client_must_be_refused(_i, lie_with_two_tongues, 0);
	false_begin(&f, _i, lie_with_two_tongues, 0);
	ck_assert_int_eq(qbipc_probe(f.name, 0, deadline_ms(), &info), -EBADMSG);
	false_end(&f);
}
END_TEST

/* -- Too little, too slowly ---------------------------------------------------------------- */

static const unsigned int parts[] = { 0, 1, 23, 24, 40, 4136, WIRE_SMALLEST - 1 };

static void lie_by_leaving(struct truth *t, unsigned int which)
{
	truth_send_part(t, parts[which]);
	shutdown(t->stream, SHUT_RDWR);
}

START_TEST(answer_that_ends_early_is_an_error)
{
	for (unsigned int i = 0; i < COUNT(parts); i++)
		client_must_be_refused(_i, lie_by_leaving, i);
}
END_TEST

static void lie_by_silence(struct truth *t, unsigned int which)
{
	truth_send_part(t, parts[which]);
}

START_TEST(answer_that_stops_is_given_up)
{
	client_must_be_refused(_i, lie_by_silence, 1 + (unsigned int)_i);
}
END_TEST

static void lie_by_dribbling(struct truth *t, unsigned int which)
{
	for (size_t i = 0; i < sizeof(t->welcome) && !truth_client_left(t); i++) {
		(void)send(t->stream, (char *)&t->welcome + i, 1, MSG_NOSIGNAL);
		pause_briefly();
	}
}

START_TEST(answer_that_comes_byte_by_byte_is_given_up)
{
	client_must_be_refused(_i, lie_by_dribbling, 0);
}
END_TEST

static void lie_by_flooding(struct truth *t, unsigned int which)
{
	char bytes[4096];

	memset(bytes, 0xff, sizeof(bytes));
	truth_send(t);
	while (!truth_client_left(t))
		if (send(t->stream, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			pause_briefly();
}

START_TEST(answer_that_goes_on_for_ever_is_survived)
{
	client_must_survive(_i, lie_by_flooding, 0);
}
END_TEST

/* A table of handlers that is announced, and of which the rest never comes. */
static void lie_by_half_a_table(struct truth *t, unsigned int which)
{
	struct {
		uint32_t mark, head_size, record_size, records;
		uint32_t more, service_id, handlers, flags;
		char record[80];
	} table = { 0x31444951, 32, 80, which ? 2 : 50000, 1, 0, UINT32_MAX, UINT32_MAX, "" };

	t->n_fds = 0;
	t->welcome.mark = WIRE_MARK;
	t->welcome.abilities = ABILITY_DESCRIBE;
	truth_send(t);
	for (size_t i = 0; i < sizeof(table) && !truth_client_left(t); i++)
		(void)send(t->stream, (char *)&table + i, 1, MSG_NOSIGNAL);
}

START_TEST(table_that_stops_is_given_up)
{
	for (unsigned int i = 0; i < 2; i++) {
		qbipc_description_t *description = NULL;
		struct false_server f;

		false_begin(&f, _i, lie_by_half_a_table, i);
		ck_assert_int_eq(qbipc_describe(f.name, SHORT_MS, &description), -ETIMEDOUT);
		ck_assert_ptr_null(description);
		false_kill(&f);
	}
}
END_TEST

/* An answer that is as it should be, and no place in the queue for the bell, ever. */
static void lie_with_a_full_queue(struct truth *t, unsigned int which)
{
	struct sockaddr_un address;
	int fds[QUEUE_MAX], n = 0, error = 0;

	raw_address(&address, t->name);
	while (n < QUEUE_MAX && !error) {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		REQUIRE(fds[n] >= 0);
		if (connect(fds[n], (struct sockaddr *)&address, sizeof(address)) < 0)
			error = errno;
		n++;
	}
	REQUIRE_EQ(error, EAGAIN);
	truth_send(t);
	AWAIT(truth_client_left(t));
	while (n > 0)
		close(fds[--n]);
}

START_TEST(answer_without_a_place_for_the_bell_is_given_up)
{
	struct false_server f;

	client_must_be_refused(_i, lie_with_a_full_queue, 0);
	false_begin(&f, _i, lie_with_a_full_queue, 0);
	ck_assert_ptr_null(TIMED(SHORT_MS, qbipc_connect_timeout(f.name, 0, SHORT_MS)));
	ck_assert_int_eq(errno, ETIMEDOUT);
	false_end(&f);
}
END_TEST

/* -- Descriptors ---------------------------------------------------------------------------- */

/* Another number than there should be: @which of the first one. */
static void lie_by_number(struct truth *t, unsigned int which)
{
	static const unsigned int numbers[] = { 0, 1, 4, 10, TRUTH_FDS };
	unsigned int had = t->n_fds;

	for (unsigned int i = had; i < numbers[which]; i++)
		t->fds[i] = t->mine.fds[0];
	t->n_fds = numbers[which];
	truth_send(t);
	t->n_fds = had;
}

START_TEST(other_number_of_descriptors_is_refused)
{
	for (unsigned int i = 0; i < 5; i++)
		client_must_be_refused(_i, lie_by_number, i);
}
END_TEST

/* On libqb's wire none come: those that do are closed, which the fixture sees. */
static void lie_by_unasked_descriptors(struct truth *t, unsigned int which)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	static const unsigned int numbers[] = { 1, 3, 4, TRUTH_FDS };

	for (t->n_fds = 0; t->n_fds < numbers[which]; t->n_fds++)
		t->fds[t->n_fds] = null;
	truth_send(t);
	t->n_fds = 0;
	close(null);
}

START_TEST(descriptors_that_nobody_asked_for_are_closed)
{
	for (unsigned int i = 0; i < 4; i++)
		client_must_survive(_i, lie_by_unasked_descriptors, i);
}
END_TEST

enum { MEMORY_LIES = 12, MEMORY_FOR_READING = 8 };

/* In the place of memory that was made. -1: this kernel cannot make it. */
static int false_memory(int memory, unsigned int which)
{
	struct stat st;
	uint64_t size;
	int fd, pair[2];

	REQUIRE_EQ(fstat(memory, &st), 0);
	size = (uint64_t)st.st_size;
	switch (which) {
	case 0: return truth_memory(size, 0);
	case 1: return truth_memory(size, F_SEAL_SHRINK);
	case 2: return truth_memory(size, F_SEAL_GROW | F_SEAL_SEAL);
	case 3: return truth_memory(0, TRUTH_SEALS);
	case 4: return truth_memory(size - 1, TRUTH_SEALS);
	case 5: return truth_memory(size + 4096, TRUTH_SEALS);
	case 6: return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 7: return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case MEMORY_FOR_READING: return truth_reopen(memory);
	case 9: return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	case 10:
		REQUIRE_EQ(pipe2(pair, O_CLOEXEC), 0);
		close(pair[1]);
		return pair[0];
	default:
		fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
		if (fd >= 0)
			(void)fcntl(fd, F_ADD_SEALS, TRUTH_SEALS);
		return fd;
	}
}

static void lie_about_memory(struct truth *t, unsigned int which)
{
	int memory = t->fds[which / MEMORY_LIES];
	int fd = false_memory(memory, which % MEMORY_LIES);

	if (fd >= 0)
		REQUIRE_EQ(dup3(fd, memory, O_CLOEXEC), memory);
	else
		t->welcome.id = 0; /* refused for another reason */
	truth_send(t);
	if (fd >= 0)
		close(fd);
}

START_TEST(memory_that_is_not_sealed_or_has_another_size_is_refused)
{
	unsigned int sent = MEMORY_LIES * NATIVE_SENT_FD;

	for (unsigned int i = 0; i < MEMORY_LIES; i++)
		client_must_be_refused(_i, lie_about_memory, i);
	for (unsigned int i = 0; i < MEMORY_LIES && variants[_i].type == QB_IPC_SHM; i++)
		if (i != MEMORY_FOR_READING)
			client_must_be_refused(_i, lie_about_memory, sent + i);
}
END_TEST

static void lie_about_sockets(struct truth *t, unsigned int which)
{
	int pair[2], other = -1, fd;

	switch (which) {
	case 0: fd = open("/dev/null", O_RDWR | O_CLOEXEC); break;
	case 1: fd = dup(t->fds[0]); break;
	case 2: fd = lingering_socket(&other); break;
	default:
		REQUIRE_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
		fd = pair[0];
		other = pair[1];
	}
	REQUIRE_EQ(dup3(fd, t->fds[t->n_fds - 1], O_CLOEXEC), t->fds[t->n_fds - 1]);
	close(fd);
	truth_send(t);
	/* The client has the last one: its close is what would wait. */
	close(t->fds[--t->n_fds]);
	AWAIT(truth_client_left(t));
	if (other >= 0)
		close(other);
}

START_TEST(sockets_of_another_kind_are_refused)
{
	for (unsigned int i = 0; i < 4; i++)
		client_must_be_refused(_i, lie_about_sockets, i);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: false answers");
	TCase *tc = tcase_new(s, "answers");

	add_transport_test(tc, offer_that_is_true_is_accepted_and_served);
	add_transport_test(tc, field_out_of_range_is_refused);
	add_transport_test(tc, refusal_of_any_value_is_an_error);
	add_transport_test(tc, answer_of_two_processes_is_refused);
	add_transport_test(tc, answer_that_ends_early_is_an_error);
	add_transport_test(tc, answer_that_stops_is_given_up);
	add_transport_test(tc, table_that_stops_is_given_up);
	/* It is the same before the transport is known, and takes a while. */
	add_attack(tc, answer_that_comes_byte_by_byte_is_given_up, ON_MEMORY);
	add_attack(tc, answer_without_a_place_for_the_bell_is_given_up, ON_NATIVE_MEMORY);
	add_transport_test(tc, answer_that_goes_on_for_ever_is_survived);

	tc = tcase_new(s, "descriptors");
	add_attack(tc, other_number_of_descriptors_is_refused, ON_NATIVE);
	add_attack(tc, descriptors_that_nobody_asked_for_are_closed, ON_QB);
	add_attack(tc, memory_that_is_not_sealed_or_has_another_size_is_refused, ON_NATIVE);
	add_attack(tc, sockets_of_another_kind_are_refused, ON_NATIVE);
	return arena_main(s);
}
