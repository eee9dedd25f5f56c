/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/ledger.h"

#include <unistd.h>

#include "base/memory.h"
#include "server/connection.h"
#include "server/service.h"
#include "tests/fuzz/fuzz.h"

/* Rings of one connection beside their messages; see RING_SPARE in server/limits.c. And
 * what any client may take besides: structs, names, half of a message. */
enum { RINGS = 3, RING_BESIDES = 72 << 10, CLIENT_BESIDES = 16 << 10, USERS_MAX = 8 };

struct sum {
	uid_t uid;
	uint32_t handshakes;
	uint32_t connections;
	uint64_t memory;
};

struct ledger {
	struct sum all;
	struct sum user[USERS_MAX];
	unsigned int users;
	size_t buffers; /* for requests */
	uint64_t again; /* of memory, what is mapped twice */
	unsigned int active;
	uint64_t last_number;
	struct qbipc_service_refusals refused;
};

static qb_ipcs_service_t *service;
static struct ledger last;

static struct sum *user_of(struct ledger *l, uid_t uid)
{
	for (unsigned int i = 0; i < l->users; i++)
		if (l->user[i].uid == uid)
			return &l->user[i];
	FUZZ_CHECK(l->users < USERS_MAX);
	l->user[l->users].uid = uid;
	return &l->user[l->users++];
}

/* -- Adding up --------------------------------------------------------------------- */

static uint64_t memory_of(const qb_ipcs_connection_t *c)
{
	/* And of bodies, what has come or is kept. */
	return RINGS * ((uint64_t)c->max_msg_size + RING_BESIDES) + c->quota.held;
}

/* Of clients that are trusted to leave requests where they lie: their ring, in one piece. */
static uint64_t mapped_again(const qb_ipcs_connection_t *c)
{
	bool trusted = c->peer.uid == 0 || c->peer.uid == geteuid();

	return trusted ? (uint64_t)c->max_msg_size + RING_BESIDES : 0;
}

static void client_add(struct ledger *l, const qb_ipcs_connection_t *c)
{
	struct sum *user;

	/* Found until connection_closed is done, and counted no more. */
	if (c->state == QBI_CONNECTION_CLOSING) {
		FUZZ_CHECK(!c->quota.account && !c->end);
		return;
	}
	user = user_of(l, c->peer.uid);
	FUZZ_CHECK(c->quota.account && c->quota.account->uid == c->peer.uid);
	if (c->quota.counted == QBI_COUNTED_HANDSHAKE) {
		user->handshakes++;
		l->all.handshakes++;
		return;
	}
	FUZZ_CHECK(c->quota.counted == QBI_COUNTED_CONNECTION);
	user->connections++;
	l->all.connections++;
	user->memory += memory_of(c);
	l->all.memory += memory_of(c);
	l->again += mapped_again(c);
	l->buffers += qbi_memory_size(c->buffer);
	l->active += qbi_connection_is_connected(c);
	FUZZ_CHECK(c->number > 0 && c->number <= service->host.last_number);
	if (c->number > last.last_number)
		FUZZ_CHECK(c->hello.max_msg_size <= service->host.limits.at.message_size);
}

static struct ledger ledger_now(void)
{
	struct ledger l = { .last_number = service->host.last_number,
			    .refused.size = sizeof(l.refused) };
	struct qbi_roster_entry *e = NULL;
	struct qbi_list *pos;

	qbi_list_for_each(pos, &service->host.limits.handshakes)
		client_add(&l, qbi_list_entry(pos, struct qb_ipcs_connection, quota.link));
	while ((e = qbi_roster_next(&service->host.connections, e)))
		client_add(&l, qbi_list_entry(e, struct qb_ipcs_connection, listed));
	FUZZ_CHECK(qbipc_service_refusals_get(service, &l.refused) == 0);
	return l;
}

/* -- Comparing --------------------------------------------------------------------- */

static void accounts_check(struct ledger *l)
{
	const struct qbi_limits *limits = &service->host.limits;
	unsigned int accounts = 0;
	struct qbi_list *pos;

	for (size_t i = 0; i < QBI_ACCOUNT_BUCKETS; i++) {
		qbi_list_for_each(pos, &limits->accounts[i]) {
			const struct qbi_account *a =
				qbi_list_entry(pos, struct qbi_account, link);
			const struct sum *user = user_of(l, a->uid);

			FUZZ_CHECK(a->handshakes == user->handshakes);
			FUZZ_CHECK(a->connections == user->connections);
			FUZZ_CHECK(a->memory == user->memory);
			accounts++;
		}
	}
	/* Each user once, and nobody without clients. */
	FUZZ_CHECK(accounts == l->users);
	FUZZ_CHECK(limits->n_handshakes == l->all.handshakes);
	FUZZ_CHECK(limits->n_connections == l->all.connections);
}

static void within(uint64_t now, uint64_t before, uint64_t limit)
{
	FUZZ_CHECK(now <= before || now <= limit);
}

static void limits_check(struct ledger *l)
{
	const struct qbipc_service_limits *at = &service->host.limits.at;

	within(l->all.handshakes, last.all.handshakes, at->handshakes);
	within(l->all.connections, last.all.connections, at->connections);
	for (unsigned int i = 0; i < l->users; i++) {
		const struct sum *now = &l->user[i], *before;

		if (now->uid == 0 || now->uid == geteuid())
			continue;
		before = user_of(&last, now->uid);
		within(now->handshakes, before->handshakes, at->handshakes_per_uid);
		within(now->connections, before->connections, at->connections_per_uid);
		within(now->memory, before->memory, at->memory_per_uid);
	}
}

/* Each client that was refused is gone, and is counted once. */
static void refusals_check(const struct ledger *l)
{
	const struct qbipc_service_refusals *now = &l->refused, *before = &last.refused;
	uint64_t refused = 0;

#define GROWS(field) FUZZ_CHECK(now->field >= before->field)
#define REASON(field)                                                                          \
	do {                                                                                   \
		GROWS(field);                                                                  \
		refused += now->field;                                                         \
	} while (0)
	/* These have asked for a connection, and so a number. */
	REASON(connections);
	REASON(connections_per_uid);
	REASON(connections_when_scarce);
	REASON(memory_per_uid);
	REASON(junk_wakeups);
	REASON(nonsense);
	REASON(unlocked);
	FUZZ_CHECK(refused + l->all.connections <= l->last_number);
	GROWS(handshakes);
	GROWS(handshakes_per_uid);
	GROWS(handshakes_overdue);
	GROWS(handshakes_bad);
	GROWS(message_size);
	GROWS(failed);
	GROWS(watchers);
#undef REASON
#undef GROWS
	/* Not of clients, or of some that were turned away before they had a number. */
	FUZZ_CHECK(now->dispatches_cut >= before->dispatches_cut);
	FUZZ_CHECK(now->costly >= before->costly);
	FUZZ_CHECK(now->unread_answers >= before->unread_answers);
	FUZZ_CHECK(now->requests_left >= before->requests_left);
	FUZZ_CHECK(now->listener_rests >= before->listener_rests);
	FUZZ_CHECK(now->descriptors >= before->descriptors);
}

static void statistics_check(const struct ledger *l)
{
	struct qb_ipcs_stats stats;

	FUZZ_CHECK(qb_ipcs_stats_get(service, &stats, 0) == 0);
	FUZZ_CHECK(stats.active_connections == l->active);
	FUZZ_CHECK(stats.active_connections + stats.closed_connections <= l->last_number);
}

void ledger_check(void)
{
	struct ledger now = ledger_now();

	accounts_check(&now);
	limits_check(&now);
	refusals_check(&now);
	statistics_check(&now);
	last = now;
}

void ledger_begin(qb_ipcs_service_t *s)
{
	service = s;
	last = (struct ledger){ 0 };
	ledger_check();
	FUZZ_CHECK(ledger_clients() == 0);
}

unsigned int ledger_clients(void)
{
	return last.all.handshakes + last.all.connections;
}

unsigned int ledger_streams_kept(void)
{
	struct qbi_list *pos;
	unsigned int n = 0;

	qbi_list_for_each(pos, &service->host.unread.answers)
		n += qbi_list_entry(pos, struct qbi_unread_answer, link)->kept;
	return n;
}

size_t ledger_memory(void)
{
	return last.all.memory + last.again + last.buffers +
	       qbi_memory_size(service->host.scratch) +
	       (size_t)ledger_clients() * CLIENT_BESIDES;
}
