/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The request as msg_process is given it: what is around it, and how long it stays. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/variant.h"

enum {
	AGREED = 1 << 20,
	LARGE = 600000, /* beyond what a connection keeps */
	CLIENTS = 12,
	KIB = 1024,
};

enum {
	SLOT_TAKEN,
	SLOT_NOT_ZERO, /* requests with something else behind them */
	SLOT_NOT_ALIGNED,
	SLOT_LOST, /* requests that were changed before the next one came */
};

/* In the child: the last request of each client, where it was. */
static struct {
	const struct request *at;
	size_t size;
} last[CLIENTS + 1];

/* As by malloc; but large ones on libqb's wire may lie where libqb's ring has them. */
static size_t alignment_of(const struct server *sv, size_t size)
{
	return sv->spec.libqb_wire && size >= 16 * KIB ?
		       _Alignof(struct qb_ipc_request_header) :
		       _Alignof(max_align_t);
}

static int32_t msg_looks(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct qb_ipc_response_header out = { .id = 100, .size = sizeof(out) };
	_Atomic int64_t *slot = sv->shared->slot;

	slot[SLOT_NOT_ZERO] += ((const char *)data)[size] != 0;
	slot[SLOT_NOT_ALIGNED] += (uintptr_t)data % alignment_of(sv, size) != 0;
	slot[SLOT_TAKEN]++;
	SERVER_REQUIRE_EQ(sv, qb_ipcs_response_send(c, &out, sizeof(out)), sizeof(out));
	return 0;
}

static struct request *request_of_x(int32_t says, size_t size)
{
	struct request *r = request_new(100, size);

	r->hdr.size = says;
	memset(r->body, 'x', size - sizeof(r->hdr));
	return r;
}

/* @sent bytes whose header speaks of @says. */
static void call(qb_ipcc_connection_t *c, size_t says, size_t sent)
{
	struct request *r = request_of_x((int32_t)says, sent);
	struct iovec iov = { r, sent };
	struct qb_ipc_response_header in;

	ck_assert_int_eq(qb_ipcc_sendv_recv(c, &iov, 1, &in, sizeof(in), deadline_ms()),
			 sizeof(in));
	free(r);
}

static void check_looks(int i, size_t first, size_t end, size_t step, size_t more)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg_looks });
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);

	/* From the largest down, so that each has remnants of another behind it. */
	for (size_t size = end; size >= first && size <= end; size -= step)
		call(c, size, size + more);
	ck_assert_int_ge(host_slot(h, SLOT_TAKEN), 1);
	ck_assert_int_eq(host_slot(h, SLOT_NOT_ZERO), 0);
	ck_assert_int_eq(host_slot(h, SLOT_NOT_ALIGNED), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(zero_follows_each_small_request)
{
	check_looks(_i, 16, 600, 1, 0);
}
END_TEST

START_TEST(zero_follows_each_large_request_up_to_the_agreed_size)
{
	check_looks(_i, 1000, AGREED, 99991, 0);
}
END_TEST

START_TEST(zero_follows_a_request_that_has_more_than_its_header_says)
{
	check_looks(_i, 16, 600, 31, 40);
}
END_TEST

static int32_t msg_looks_back(struct server *sv, qb_ipcs_connection_t *c, void *data,
			      size_t size)
{
	int i = server_number(sv, c);
	const struct request *r = last[i].at;

	/* In a memory checker this is a use after free if it does not stay. */
	if (r)
		sv->shared->slot[SLOT_LOST] += !pattern_matches(
			r->body, last[i].size - sizeof(r->hdr), (uint32_t)r->hdr.id);
	last[i].at = NULL;
	sv->shared->slot[SLOT_TAKEN]++;
	if (((struct request *)data)->hdr.id == MSG_ECHO)
		return server_answer(sv, c, data, size);
	last[i].at = data;
	last[i].size = size;
	return server_answer(sv, c, data, size);
}

/* By a small request of another client, while none of this one's has come. */
static int64_t remote_look_back(struct server *sv, const int64_t *args)
{
	const struct request *r = last[args[0]].at;

	return r && pattern_matches(r->body, last[args[0]].size - sizeof(r->hdr),
				    (uint32_t)r->hdr.id);
}

static void call_patterned(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	client_must_send(c, id, size);
	client_must_recv(c, id, size);
}

static void check_stays(int i, size_t size)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg_looks_back });
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);
	qb_ipcc_connection_t *other = client_connect(h->name, AGREED);

	for (int32_t id = 100; id < 110; id++) {
		call_patterned(c, id, size);
		call_patterned(other, id, 500);
		ck_assert_int_eq(host_call(h, remote_look_back, 1), 1);
		ck_assert_int_eq(host_call(h, remote_look_back, 2), 1);
		call_patterned(other, MSG_ECHO, 500);
	}
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(small_request_stays_until_the_next_one_of_its_client)
{
	check_stays(_i, 1000);
}
END_TEST

START_TEST(last_large_request_stays_until_the_next_one_of_its_client)
{
	check_stays(_i, LARGE);
}
END_TEST

/* KiB of this process that are nobody else's. */
static int64_t remote_private(struct server *sv, const int64_t *args)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	long long kib = -1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %lld kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

START_TEST(large_requests_of_many_clients_do_not_stay)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c[CLIENTS];
	int64_t before;

	for (int i = 0; i < CLIENTS; i++)
		c[i] = client_connect(h->name, AGREED);
	client_echo(c[0], LARGE);
	before = host_call(h, remote_private, 0);
	ck_assert_int_gt(before, 0);
	for (int i = 0; i < CLIENTS; i++)
		client_echo(c[i], LARGE);
	ck_assert_int_le(host_call(h, remote_private, 0), before + 3 * LARGE / KIB);
	for (int i = 0; i < CLIENTS; i++)
		qb_ipcc_disconnect(c[i]);
	host_stop(h);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
static const bool is_address_sanitized = true;
#else
static const bool is_address_sanitized;
#endif

int main(void)
{
	Suite *s = suite_create("server-request");
	TCase *tc = tcase_new(s, "around");

	add_variant_test(tc, zero_follows_each_small_request);
	add_transport_test(tc, zero_follows_each_large_request_up_to_the_agreed_size);
	add_transport_test(tc, zero_follows_a_request_that_has_more_than_its_header_says);
	tc = tcase_new(s, "staying");
	add_transport_test(tc, small_request_stays_until_the_next_one_of_its_client);
	add_transport_test(tc, last_large_request_stays_until_the_next_one_of_its_client);
	/* AddressSanitizer keeps what was freed, so memory says nothing there. */
	if (!is_address_sanitized)
		add_transport_test(tc, large_requests_of_many_clients_do_not_stay);
	return suite_main(s);
}
