/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/unfinished.h"

#include <pthread.h>
#include <stddef.h>

/* Calls thread_ends() in each thread that has begun something. */
static pthread_key_t key;
static bool have_key;

static __thread struct qbi_unfinished *innermost __attribute__((tls_model("initial-exec")));
static __thread bool is_watched __attribute__((tls_model("initial-exec")));

static void thread_ends(void *value)
{
	is_watched = false;
	while (innermost) {
		struct qbi_unfinished *u = innermost;

		innermost = u->outer;
		atomic_load (&u->undo)(u);
	}
}

__attribute__((constructor(200))) static void key_make(void)
{
	have_key = pthread_key_create(&key, thread_ends) == 0;
}

/* The library may be unloaded before the process ends. */
__attribute__((destructor)) static void key_remove(void)
{
	if (have_key)
		pthread_key_delete(key);
	have_key = false;
}

bool qbi_unfinished_begin(struct qbi_unfinished *u, qbi_undo_fn undo)
{
	qbi_undo_fn none = NULL;

	if (!atomic_compare_exchange_strong(&u->undo, &none, undo))
		return false;
	u->outer = innermost;
	innermost = u;
	if (!is_watched && have_key)
		is_watched = pthread_setspecific(key, &key) == 0;
	return true;
}

void qbi_unfinished_end(struct qbi_unfinished *u)
{
	struct qbi_unfinished **at = &innermost;

	/* Further in there may be entries of calls that were left by siglongjmp(3). */
	while (*at && *at != u)
		at = &(*at)->outer;
	if (*at)
		*at = u->outer;
	qbi_unfinished_forget(u);
}
