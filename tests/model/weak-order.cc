// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The memory and the socket of weak-order.c in relacy's model of C11's memory. It runs both
// ends as fibers and may switch between them at each access; a load returns any value that
// the orders of the accesses allow. All searches are the same every time.
//
//   weak-order CONSUMER VARIANT random RUNS       picks by the number of the run
//   weak-order CONSUMER VARIANT bound SWITCHES    all picks, with at most so many switches
//						    that nothing forces
//
// CONSUMER is requests or events, VARIANT one of the names below. The last line is what was
// found; before it, if the run failed, its accesses.
#include <relacy/relacy.hpp>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "weak-order.h"

namespace
{

enum variant {
	SOURCE,		  // the orders as lib/ring has them
	LEAST,		  // no more than R1 and R2: arming is relaxed
	PUBLISH_RELAXED,  // R1: the exchange does not wait for header and payload
	CONSUME_RELAXED,  // R1: reads below a tail come before its load
	RELEASE_RELAXED,  // R2: the store of head does not wait for the copy
	REUSE_RELAXED,	  // R2: the room is used before the load of head
	PUBLISH_BY_STORE, // R5: tail is loaded and stored
	ARM_BY_STORE,	  // R5: RUNG is cleared by a store
	ARM_BLINDLY,	  // R5: RUNG is cleared whatever the position is
	VARIANTS
};

const char *const variant_names[VARIANTS] = {
	"source",	    "least",	       "publish-relaxed",
	"consume-relaxed",  "release-relaxed", "reuse-relaxed",
	"publish-by-store", "arm-by-store",    "arm-blindly",
};

variant tried;
bool events;

const size_t PIECE = sizeof(uint64_t);

struct ring_test : rl::test_suite<ring_test, 2> {
	rl::atomic<uint64_t> words[END_WORDS];
	rl::var<uint64_t> data[END_CAPACITY / PIECE];

	rl::mutex socket;
	rl::condition_variable_any readable;
	rl::var<unsigned> unread;

	void before();
	void thread(unsigned index);
	void after();
};

ring_test *test;

void ring_test::before()
{
	test = this;
	for (auto &word : words)
		word.store(0, rl::mo_relaxed, $);
	unread($) = 0u;
	ends_init();
}

void ring_test::thread(unsigned index)
{
	if (index == 0)
		end_produce();
	else if (events)
		end_consume_events();
	else
		end_consume_requests();
}

void ring_test::after()
{
	ends_check(words[END_TAIL].load(rl::mo_relaxed, $), unread($), events);
}

end_word word_at(const void *address)
{
	int i = 0;

	while (i < END_WORDS && end_words[i] != address)
		i++;
	end_check(i < END_WORDS, "an access to no shared word");
	return static_cast<end_word>(i);
}

// The variable at @shared, where @n bytes are accessed as a whole.
rl::var<uint64_t> *pieces_at(const void *shared, size_t n)
{
	size_t offset = static_cast<const unsigned char *>(shared) - end_data;

	end_check(offset % PIECE == 0 && n % PIECE == 0 && offset + n <= END_CAPACITY,
		  "an access to no data");
	return &test->data[offset / PIECE];
}

// rl's values are C's.
rl::memory_order order_of(int order, bool relaxed)
{
	return relaxed ? rl::mo_relaxed : static_cast<rl::memory_order>(order);
}

uint64_t word_load(const void *address, int order)
{
	end_word word = word_at(address);
	bool relaxed = (word == END_TAIL && tried == CONSUME_RELAXED) ||
		       (word == END_HEAD && tried == REUSE_RELAXED);

	return test->words[word].load(order_of(order, relaxed), $);
}

void word_store(const void *address, uint64_t value, int order)
{
	end_word word = word_at(address);

	test->words[word].store(
		value, order_of(order, word == END_HEAD && tried == RELEASE_RELAXED), $);
}

} // namespace

// -- In place of lib/ring/shared.h ----------------------------------------------------

uint32_t qbi_shared_load(qbi_shared_u32 *word, int order)
{
	return static_cast<uint32_t>(word_load(word, order));
}

void qbi_shared_store(qbi_shared_u32 *word, uint32_t value, int order)
{
	word_store(word, value, order);
}

uint64_t qbi_shared_load64(qbi_shared_u64 *word, int order)
{
	return word_load(word, order);
}

void qbi_shared_store64(qbi_shared_u64 *word, uint64_t value, int order)
{
	word_store(word, value, order);
}

uint64_t qbi_shared_exchange64(qbi_shared_u64 *word, uint64_t value, int order)
{
	auto &tail = test->words[word_at(word)];
	uint64_t old;

	if (tried == PUBLISH_BY_STORE) {
		old = tail.load(rl::mo_seq_cst, $);
		tail.store(value, rl::mo_seq_cst, $);
		return old;
	}
	if (tried == LEAST)
		order = rl::mo_release;
	return tail.exchange(value, order_of(order, tried == PUBLISH_RELAXED), $);
}

bool qbi_shared_replace64(qbi_shared_u64 *word, uint64_t expected, uint64_t value, int order)
{
	auto &tail = test->words[word_at(word)];

	if (tried == ARM_BY_STORE) {
		tail.store(value, rl::mo_seq_cst, $);
		return true;
	}
	if (tried == ARM_BLINDLY) {
		tail.fetch_and(~(expected ^ value), rl::mo_seq_cst, $);
		return true;
	}
	return tail.compare_exchange_strong(expected, value, order_of(order, tried == LEAST), $,
					    rl::mo_relaxed, $);
}

void qbi_shared_read(void *to, const void *shared, size_t n)
{
	rl::var<uint64_t> *piece = pieces_at(shared, n);

	for (size_t i = 0; i < n / PIECE; i++) {
		uint64_t value = piece[i]($);

		memcpy(static_cast<char *>(to) + i * PIECE, &value, PIECE);
	}
}

void qbi_shared_write(void *shared, const void *from, size_t n)
{
	rl::var<uint64_t> *piece = pieces_at(shared, n);

	for (size_t i = 0; i < n / PIECE; i++) {
		uint64_t value;

		memcpy(&value, static_cast<const char *>(from) + i * PIECE, PIECE);
		piece[i]($) = value;
	}
}

// -- For weak-order.c -----------------------------------------------------------------

void end_check(bool ok, const char *what)
{
	if (!ok)
		rl::ctx().fail_test(what, rl::test_result_user_assert_failed, $);
}

bool end_choose(void)
{
	return rl::rand(2) != 0;
}

void end_yield(void)
{
	rl::yield(1, $);
}

void end_send(void)
{
	test->socket.lock($);
	unsigned n = test->unread($);
	test->unread($) = n + 1;
	test->readable.notify_one($);
	test->socket.unlock($);
}

int64_t end_receive(int64_t n)
{
	test->socket.lock($);
	unsigned there = test->unread($);
	unsigned got = n < there ? static_cast<unsigned>(n) : there;
	test->unread($) = there - got;
	test->socket.unlock($);
	return got;
}

void end_poll(void)
{
	test->socket.lock($);
	while (test->unread($) == 0u)
		test->readable.wait(test->socket, $);
	test->socket.unlock($);
}

int main(int argc, char **argv)
{
	int i = 0;

	if (argc != 5)
		return 2;
	events = strcmp(argv[1], "events") == 0;
	while (i < VARIANTS && strcmp(argv[2], variant_names[i]) != 0)
		i++;
	if (i == VARIANTS)
		return 2;
	tried = static_cast<variant>(i);

	std::ostringstream progress;
	rl::test_params params;
	unsigned long number = strtoul(argv[4], nullptr, 10);
	bool random = strcmp(argv[3], "random") == 0;

	params.search_type =
		random ? rl::random_scheduler_type : rl::fair_context_bound_scheduler_type;
	params.context_bound = static_cast<unsigned>(number);
	params.iteration_count = random ? number : UINT64_MAX;
	params.progress_stream = &progress;
	if (rl::simulate<ring_test>(params)) {
		std::cout << "nothing found in " << params.stop_iteration << " runs\n";
		return 0;
	}
	std::cout << "found in run " << params.stop_iteration << ": "
		  << rl::test_result_str(params.test_result) << '\n';
	return 1;
}
