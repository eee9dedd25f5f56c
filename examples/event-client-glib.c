/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks an echo server for events and receives them in a main loop of GLib; says how many
 * came, and when the server goes before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qbipc/poll-glib.h>

#include "echo.h"

struct client {
	struct qbipc_client_watch *watch;
	GMainLoop *main_loop;
	uint32_t n_wanted;
	uint32_t n_received;
};

static void event_receive(qb_ipcc_connection_t *c, void *event, size_t size, void *data)
{
	struct client *client = data;

	client->n_received++;
	if (client->n_received < client->n_wanted)
		return;
	qbipc_client_unwatch(client->watch);
	g_main_loop_quit(client->main_loop);
}

static void server_gone(qb_ipcc_connection_t *c, int error, void *data)
{
	struct client *client = data;

	fprintf(stderr, "the server: %s\n", strerror(-error));
	g_main_loop_quit(client->main_loop);
}

/*
 * The request and its response are a matter of microseconds: no need for the loop. 0 or a
 * negative errno.
 */
static int events_request(qb_ipcc_connection_t *c, uint32_t n)
{
	struct echo_message m = { { ECHO_WANT_EVENTS, sizeof(m), 0 }, n };
	struct iovec iov = { &m, sizeof(m) };
	ssize_t r = qb_ipcc_sendv_recv(c, &iov, 1, &m, sizeof(m), 5000);

	return r < 0 ? (int)r : 0;
}

static void events_receive(qb_ipcc_connection_t *c, struct client *client)
{
	struct qbipc_poll_glib poll;

	client->main_loop = g_main_loop_new(NULL, FALSE);
	qbipc_poll_glib_init(&poll, NULL);
	client->watch = qbipc_glib_watch_client(&poll, QB_LOOP_MED, c, event_receive,
						server_gone, client);
	if (client->watch)
		g_main_loop_run(client->main_loop);
	else
		perror("cannot watch the connection");
	qbipc_poll_glib_fini(&poll);
	g_main_loop_unref(client->main_loop);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : ECHO_NAME;
	struct client client = { .n_wanted = 100 };
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, 0);
	int r;

	if (!c) {
		perror(name);
		return EXIT_FAILURE;
	}
	r = events_request(c, client.n_wanted);
	if (r == 0)
		events_receive(c, &client);
	else
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
	printf("%u events received\n", client.n_received);
	qb_ipcc_disconnect(c);
	return client.n_received == client.n_wanted ? EXIT_SUCCESS : EXIT_FAILURE;
}
