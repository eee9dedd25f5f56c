/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-glib.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_glib poll;
	GMainContext *context;
	GMainLoop *main;
};

TEST_LOOP_COMMON(glib)

static void *loop_open(void)
{
	struct loop *l = test_loop_alloc(sizeof(*l));

	l->context = g_main_context_new();
	l->main = g_main_loop_new(l->context, FALSE);
	REQUIRE(qbipc_poll_glib_init(&l->poll, l->context) == 0);
	return l;
}

static void loop_run(void *loop)
{
	g_main_loop_run(((struct loop *)loop)->main);
}

static void loop_stop(void *loop)
{
	g_main_loop_quit(((struct loop *)loop)->main);
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	g_main_loop_unref(l->main);
	g_main_context_unref(l->context);
	free(l);
}

TEST_LOOP("GLib", .priorities = true);
