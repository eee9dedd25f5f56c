/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client whose requests are handed out where they lie, and which changes everything around
 * the message, and what is in it, while the handler has it; or leaves, or has itself
 * disconnected meanwhile.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include <qbipc/views.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/tools.h"

enum { LARGEST = 65536, ROUNDS = 60, BODY = 304, LATE = 8 };

static void views_always(struct server *sv)
{
	SERVER_REQUIRE(sv, qbipc_service_views_set(sv->service, QBIPC_VIEWS_ALWAYS) == 0);
}

static void large_connect(struct arena *a, struct raw *p)
{
	struct raw_wish wish = a->wish;

	wish.max_msg_size = LARGEST;
	raw_connect(p, &wish);
	raw_call(p, 7, 100);
	raw_call(p, 8, NATIVE_IN_PLACE);
}

/* Of the record that comes next, and of its ring. */
static void flip_choose(struct flipping *f, struct raw *p, unsigned int i)
{
	struct raw_ring *r = &p->ring[REQUEST];
	unsigned char *record = r->data + r->at % r->size;

	f->one = f->other = 0;
	f->wide = i % 2;
	switch (i % 5) {
	case 0: f->at = record; break; /* its length */
	case 1: f->at = r->words + NATIVE_TAIL; break;
	case 2: f->at = r->words + NATIVE_HEAD; break;
	case 3: f->at = record + sizeof(uint32_t) * (i % 2); break; /* or its kind */
	default: f->at = r->data + (r->at + BODY) % r->size; break;
	}
	f->wide = f->wide && ((uintptr_t)f->at % sizeof(uint64_t)) == 0;
	f->one = f->wide ? get_u64(f->at) : get_u32(f->at);
	f->other = chance();
}

/* It takes no answers: what lies in memory goes when the server has had enough. */
ATTACK(words_and_body_flipped_under_the_handler, .prepare = views_always)
{
	static const int32_t ids[] = { 5, MSG_SILENT, MSG_EVENT };
	unsigned int i = 0;

	while (arena_honest_wants_more(a)) {
		struct raw p;

		large_connect(a, &p);
		for (unsigned int k = 0; k < effort(ROUNDS) && !raw_is_dropped(&p); k++, i++) {
			size_t size = NATIVE_IN_PLACE + i * 1237 % (LARGEST - NATIVE_IN_PLACE);
			struct request *r =
				request_make(ids[i % COUNT(ids)], (int32_t)size, size);
			struct flipping f;

			flip_choose(&f, &p, i);
			flip_begin(&f);
			(void)raw_send(&p, r, size);
			pause_briefly();
			flip_end(&f);
			free(r);
		}
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* The memory of the request stays until its handler has returned. */
ATTACK(disconnected_or_left_under_the_handler, .prepare = views_always)
{
	struct request *leave = request_make(MSG_DISCONNECT_ME, LARGEST, LARGEST);
	struct request *echo = request_make(5, LARGEST, LARGEST);

	for (unsigned int i = 0; i < effort(200) || arena_honest_wants_more(a); i++) {
		struct raw p;

		large_connect(a, &p);
		(void)raw_send(&p, i % 2 ? leave : echo, LARGEST);
		if (i % LATE == 0)
			pause_briefly();
		if (i % 3 == 0)
			(void)shutdown(p.stream, SHUT_RDWR);
		raw_close(&p);
	}
	free(leave);
	free(echo);
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: in place");
	TCase *tc = tcase_new(s, "in place");

	add_attack(tc, words_and_body_flipped_under_the_handler, ON_NATIVE_MEMORY);
	add_attack(tc, disconnected_or_left_under_the_handler, ON_NATIVE_MEMORY);
	return arena_main(s);
}
