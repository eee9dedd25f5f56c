/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Native ends: what the client accepts of a server, and how either one ends. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ring/region.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/unit/test-native-ends.h"

enum { NATIVE_SHM = 0, RESPONSES = 50000, WAIT_MS = 100 };

static struct native_ends e;

static int response_recv(uint32_t i, uint64_t deadline)
{
	return ends_recv(e.cops->recv, e.client, 40, i, deadline);
}

static size_t memory_used(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(e.fds[0], &st), 0);
	return (size_t)st.st_blocks * 512;
}

/* -- What a server passes --------------------------------------------------------- */

START_TEST(any_other_number_of_descriptors_is_refused)
{
	for (unsigned int n = 0; n <= QBI_REPLY_FDS_MAX; n++) {
		int fds[QBI_REPLY_FDS_MAX];
		unsigned int right;
		int r;

		ends_open_server(&e, _i);
		right = e.n_fds;
		for (unsigned int i = 0; i < QBI_REPLY_FDS_MAX; i++)
			fds[i] = e.fds[i < right ? i : 0];
		r = ends_open_client(&e, fds, n);
		ck_assert_int_eq(r, n == right ? 0 : -EBADMSG);
		ends_close(&e);
	}
}
END_TEST

/* Each of them replaced by each of these. */
START_TEST(descriptor_of_another_kind_is_refused)
{
	int others[5], r;

	ck_assert_int_eq(pipe(others), 0);
	others[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	others[3] = memfd_create("test", MFD_CLOEXEC);
	others[4] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (unsigned int at = 0; at < 3; at++)
		for (size_t i = 0; i < QBI_ARRAY_SIZE(others); i++) {
			ends_open_server(&e, _i);
			if (at < e.n_fds) {
				int fds[QBI_REPLY_FDS_MAX];

				memcpy(fds, e.fds, sizeof(fds));
				fds[at] = others[i];
				r = ends_open_client(&e, fds, e.n_fds);
				ck_assert_int_lt(r, 0);
			}
			ends_close(&e);
		}
	for (size_t i = 0; i < QBI_ARRAY_SIZE(others); i++)
		close(others[i]);
}
END_TEST

START_TEST(descriptors_in_another_order_are_refused)
{
	int fds[QBI_REPLY_FDS_MAX];

	ends_open_server(&e, _i);
	for (unsigned int i = 0; i < e.n_fds; i++)
		fds[i] = e.fds[e.n_fds - 1 - i];
	ck_assert_int_eq(ends_open_client(&e, fds, e.n_fds), -EBADMSG);
	ends_close(&e);
}
END_TEST

START_TEST(ends_that_never_opened_may_be_closed)
{
	const struct qbi_transport *t = qbi_transport_nth((size_t)_i);
	void *server = calloc(1, t->server->state_size);
	void *client = calloc(1, t->client->state_size);

	t->server->close(server, true);
	t->server->close(server, false);
	t->client->close(client, QBI_PART_CLEANING);
	t->client->close(client, QBI_PART_AT_ONCE);
	free(server);
	free(client);
}
END_TEST

/* -- Responses --------------------------------------------------------------------- */

static atomic_int answered;

static void *thread_respond(void *data)
{
	for (uint32_t i = 0; i < RESPONSES; i++) {
		/* The client may be looking, about to sleep or asleep. */
		while (atomic_load(&answered) < (int)i)
			sched_yield();
		for (uint32_t k = i % 97 * 13; k; k--)
			atomic_thread_fence(memory_order_seq_cst);
		if (ends_send(e.sops->respondv, e.server, 40, i) != 0)
			return data;
	}
	return NULL;
}

START_TEST(response_wakes_a_client_at_any_moment)
{
	pthread_t thread;
	void *failed;

	ends_open(&e, _i);
	atomic_store(&answered, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_respond, &e), 0);
	for (uint32_t i = 0; i < RESPONSES; i++) {
		uint64_t deadline = ends_soon(deadline_ms());

		/* Both ways of waiting, mixed with not waiting. */
		ck_assert_int_eq(response_recv(i, i % 3 ? QBI_FOREVER : deadline), 0);
		if (i % 7 == 0)
			ck_assert_int_eq(response_recv(i, 0), QBI_EMPTY);
		atomic_store(&answered, (int)i + 1);
	}
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
	ends_close(&e);
}
END_TEST

START_TEST(wait_ends_at_its_deadline)
{
	uint64_t begin = now_ms(), took;

	ends_open(&e, _i);
	ck_assert_int_eq(response_recv(0, ends_soon(WAIT_MS)), QBI_EMPTY);
	took = now_ms() - begin;
	ck_assert_uint_ge(took, WAIT_MS - 1);
	ck_assert_int_eq(response_recv(0, 0), QBI_EMPTY);
	ends_close(&e);
}
END_TEST

/* -- The bell ---------------------------------------------------------------------- */

/* Both ends are open, and the client has made a bell that nobody has taken. */
static void open_without_bell(int bell[2])
{
	ends_open_server(&e, NATIVE_SHM);
	ck_assert_int_eq(ends_open_client(&e, e.fds, e.n_fds), 0);
	ends_bell(&e, bell);
	e.cops->join(e.client, bell[1]);
}

static void *thread_recv(void *data)
{
	int *result = data;

	*result = response_recv(0, QBI_FOREVER);
	return NULL;
}

START_TEST(byte_for_a_sleeper_stays_due_until_the_bell_is_there)
{
	int bell[2];

	open_without_bell(bell);
	/* Armed: as before a sleep. */
	ck_assert_int_eq(response_recv(0, 0), QBI_EMPTY);
	/* Nobody is to try again, or to wait for a socket. */
	ck_assert_int_eq(ends_send(e.sops->respondv, e.server, 40, 0), 0);
	ck_assert_int_eq(e.sops->flush(e.server, QBI_RESPONSES), 0);
	ck_assert_int_eq(e.sops->wait_fd(e.server, QBI_RESPONSES), -1);
	ck_assert(!fd_readable_within(bell[1], 0));
	ck_assert_int_eq(e.sops->join(e.server, bell[0]), 0);
	ck_assert(fd_readable_within(bell[1], 0));
	ck_assert_int_eq(response_recv(0, QBI_FOREVER), 0);
	ck_assert_int_eq(response_recv(0, 0), QBI_EMPTY);
	ck_assert(!fd_readable_within(bell[1], 0));
	ends_close(&e);
}
END_TEST

/* In whatever queue the bell lies: the stream tells. */
START_TEST(end_wakes_a_client_whose_bell_nobody_has_taken)
{
	int bell[2], result = -1;
	pthread_t thread;

	open_without_bell(bell);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_recv, &result), 0);
	ends_close_server(&e, true);
	WAIT_FOR(pthread_tryjoin_np(thread, NULL) == 0);
	ck_assert_int_eq(result, QBI_GONE);
	close(bell[0]);
	ends_close(&e);
}
END_TEST

START_TEST(bell_that_hangs_up_is_the_end)
{
	int bell[2];

	open_without_bell(bell);
	close(bell[0]);
	ck_assert_int_eq(response_recv(0, QBI_FOREVER), QBI_GONE);
	ends_close(&e);
}
END_TEST

START_TEST(answer_without_a_number_is_refused)
{
	struct qbi_welcome welcome = { .max_msg_size = ENDS_MAX };
	struct qbi_client_spec spec = { .welcome = &welcome, .n_fds = 2 };

	ends_open_server(&e, NATIVE_SHM);
	spec.stream = e.stream[1];
	spec.fds = e.fds;
	ck_assert_int_eq(e.cops->open(e.client, &spec), -EBADMSG);
	ends_close(&e);
}
END_TEST

/* -- The end ----------------------------------------------------------------------- */

START_TEST(queued_responses_are_read_before_the_end_is_told)
{
	ends_open(&e, _i);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(ends_send(e.sops->respondv, e.server, 40, i), 0);
	ends_close_server(&e, true);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(response_recv(i, QBI_FOREVER), 0);
	ck_assert_int_eq(response_recv(5, QBI_FOREVER), QBI_GONE);
	ck_assert_int_eq(response_recv(5, ends_soon(WAIT_MS)), QBI_GONE);
	ck_assert_int_eq(response_recv(5, 0), QBI_GONE);
	ends_close(&e);
}
END_TEST

START_TEST(client_that_is_dropped_keeps_no_memory)
{
	ends_open(&e, _i);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(ends_send(e.sops->respondv, e.server, 40, i), 0);
	ck_assert_int_eq(ends_request(&e, 40, 0), 0);
	e.sops->flow_set(e.server, 1);
	ck_assert_uint_gt(memory_used(), 0);
	ends_close_server(&e, false);
	ck_assert_uint_eq(memory_used(), 0);
	ends_close(&e);
}
END_TEST

static pid_t keep_descriptors(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

START_TEST(client_learns_of_the_end_though_a_child_keeps_the_servers_descriptors)
{
	int result = -1, event;
	pthread_t thread;
	pid_t child;

	ends_open(&e, _i);
	child = keep_descriptors();
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_recv, &result), 0);
	ends_close_server(&e, true);
	event = ends_recv(e.cops->event_recv, e.client, 40, 0, ends_soon(deadline_ms()));
	if (event == QBI_GONE)
		WAIT_FOR(pthread_tryjoin_np(thread, NULL) == 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_int_eq(event, QBI_GONE);
	ck_assert_int_eq(result, QBI_GONE);
	ends_close(&e);
}
END_TEST

/* -- A server that rings for nothing ------------------------------------------------ */

static uint64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Both ways of waiting sleep for most of the time and end when it is over. */
static void check_waits(void)
{
	uint64_t begin = now_ms(), cpu = cpu_ms();
	int event, response;

	event = ends_recv(e.cops->event_recv, e.client, 40, 0, ends_soon(WAIT_MS));
	response = response_recv(0, ends_soon(WAIT_MS));
	ck_assert(event == QBI_EMPTY || event == -EBADMSG);
	ck_assert(response == QBI_EMPTY || response == -EBADMSG);
	ck_assert_uint_le(cpu_ms() - cpu, WAIT_MS / 2);
	ck_assert_uint_le(now_ms() - begin, (uint64_t)deadline_ms());
}

/* The server's end of the bell and of the stream, and its mapping, in our hands. */
static int bell;
static struct qbi_region_words *words;

static void open_as_server(void)
{
	int pair[2];

	ends_open_server(&e, NATIVE_SHM);
	ck_assert_int_eq(ends_open_client(&e, e.fds, e.n_fds), 0);
	ends_bell(&e, pair);
	e.cops->join(e.client, pair[1]);
	bell = pair[0];
	words = mmap(NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED, e.fds[0], 0);
	ck_assert_ptr_ne(words, MAP_FAILED);
}

static void close_as_server(void)
{
	munmap(words, sizeof(*words));
	close(bell);
	ends_close(&e);
}

static void send_junk(void)
{
	static const char junk[50];

	ck_assert_int_eq(send(bell, junk, sizeof(junk), 0), (ssize_t)sizeof(junk));
	ck_assert_int_eq(send(e.stream[0], junk, sizeof(junk), 0), (ssize_t)sizeof(junk));
}

START_TEST(bytes_without_a_message_do_not_keep_the_client_awake)
{
	open_as_server();
	send_junk();
	check_waits();
	ck_assert(!fd_readable_within(e.cops->event_fd(e.client), 0));
	close_as_server();
}
END_TEST

static void *send_junk_for_ever(void *over)
{
	static const char junk[50];

	while (!atomic_load((atomic_bool *)over)) {
		(void)send(bell, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)send(e.stream[0], junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return NULL;
}

START_TEST(bytes_that_never_end_do_not_stretch_the_time)
{
	atomic_bool over = false;
	pthread_t thread;

	open_as_server();
	ck_assert_int_eq(pthread_create(&thread, NULL, send_junk_for_ever, &over), 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(response_recv(0, ends_soon(20)), QBI_EMPTY);
		ck_assert_int_eq(ends_recv(e.cops->event_recv, e.client, 40, 0, ends_soon(20)),
				 QBI_EMPTY);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	close_as_server();
}
END_TEST

START_TEST(message_after_bytes_for_nothing_arrives)
{
	open_as_server();
	for (uint32_t i = 0; i < 20; i++) {
		send_junk();
		ck_assert_int_eq(ends_send(e.sops->eventv, e.server, 40, i), 0);
		ck_assert_int_eq(ends_send(e.sops->respondv, e.server, 40, i), 0);
		ck_assert_int_eq(ends_recv(e.cops->event_recv, e.client, 40, i,
					   ends_soon(deadline_ms())),
				 0);
		ck_assert_int_eq(response_recv(i, ends_soon(deadline_ms())), 0);
	}
	close_as_server();
}
END_TEST

/* Said to be rung without a message: with bytes, and again and again. */
START_TEST(bell_bits_without_a_message_do_not_keep_the_client_awake)
{
	open_as_server();
	atomic_fetch_or(&words->ring[QBI_REGION_EVENT].tail, 1);
	atomic_fetch_or(&words->ring[QBI_REGION_RESPONSE].tail, 1);
	send_junk();
	check_waits();
	close_as_server();
}
END_TEST

START_TEST(nonsense_in_the_words_is_a_fault)
{
	static const uint64_t tails[] = { 4, 8, 1ull << 20, 1ull << 63, UINT64_MAX - 1 };
	const int which[] = { QBI_REGION_EVENT, QBI_REGION_RESPONSE };
	native_recv_fn fn[2];

	for (size_t i = 0; i < QBI_ARRAY_SIZE(tails); i++)
		for (int k = 0; k < 2; k++) {
			open_as_server();
			fn[0] = e.cops->event_recv;
			fn[1] = e.cops->recv;
			atomic_store(&words->ring[which[k]].tail, tails[i]);
			ck_assert_int_eq(ends_recv(fn[k], e.client, 40, 0, QBI_FOREVER),
					 -EBADMSG);
			close_as_server();
		}
}
END_TEST

START_TEST(server_that_reads_no_bytes_does_not_hold_up_the_sender_for_long)
{
	int held_up = 0;

	open_as_server();
	for (uint32_t i = 0; i < 5000 && held_up < 5; i++) {
		struct qbi_ring_words *ring = &words->ring[QBI_REGION_REQUEST];
		uint64_t begin = now_ms(), took;

		/*
		 * Taken at once, and armed again each time. Each wait for room is 100 sleeps of a
		 * millisecond; the limit is what a busy machine may make of them.
		 */
		atomic_store(&ring->head, atomic_load(&ring->tail) & ~1ull);
		atomic_fetch_and(&ring->tail, ~1ull);
		ck_assert_int_eq(ends_request(&e, 16, i), 0);
		took = now_ms() - begin;
		held_up += took > 20;
		ck_assert_uint_le(took, 10000);
	}
	ck_assert_int_eq(held_up, 5);
	close_as_server();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native ends");
	TCase *tc = tcase_new(s, "opening");

	tcase_add_loop_test(tc, any_other_number_of_descriptors_is_refused, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, descriptor_of_another_kind_is_refused, 0, NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, descriptors_in_another_order_are_refused, 0, NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, ends_that_never_opened_may_be_closed, 0, NATIVE_TRANSPORTS);

	tc = tcase_new(s, "responses");
	tcase_add_loop_test(tc, response_wakes_a_client_at_any_moment, 0, NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, wait_ends_at_its_deadline, 0, NATIVE_TRANSPORTS);

	tc = tcase_new(s, "bell");
	tcase_add_test(tc, byte_for_a_sleeper_stays_due_until_the_bell_is_there);
	tcase_add_test(tc, end_wakes_a_client_whose_bell_nobody_has_taken);
	tcase_add_test(tc, bell_that_hangs_up_is_the_end);
	tcase_add_test(tc, answer_without_a_number_is_refused);

	tc = tcase_new(s, "end");
	tcase_add_loop_test(tc, queued_responses_are_read_before_the_end_is_told, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(
		tc, client_learns_of_the_end_though_a_child_keeps_the_servers_descriptors, 0,
		NATIVE_TRANSPORTS);

	/* madvise(2) gives nothing back under qemu-user. */
	tc = tcase_new(s, "memory");
	tcase_set_tags(tc, "punch");
	tcase_add_loop_test(tc, client_that_is_dropped_keeps_no_memory, 0, NATIVE_TRANSPORTS);

	tc = tcase_new(s, "hostile server");
	tcase_add_test(tc, bytes_without_a_message_do_not_keep_the_client_awake);
	tcase_add_test(tc, bytes_that_never_end_do_not_stretch_the_time);
	tcase_add_test(tc, message_after_bytes_for_nothing_arrives);
	tcase_add_test(tc, bell_bits_without_a_message_do_not_keep_the_client_awake);
	tcase_add_test(tc, nonsense_in_the_words_is_a_fault);
	tcase_add_test(tc, server_that_reads_no_bytes_does_not_hold_up_the_sender_for_long);
	return suite_main(s);
}
