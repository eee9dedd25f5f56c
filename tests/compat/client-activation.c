/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Services of this library that are started by their first client, on a socket that was
 * there before them. libqb's clients come to a file, as systemd makes one, or to a padded
 * name, which a unit cannot say; those of this library to the name alone too.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/compat/cell.h"
#include "tests/lib/census.h"
#include "tests/lib/message.h"

enum { ROUNDS = 2, REQUESTS = 20 };

static bool client_is_libqb(void)
{
	return !strcmp(client_library, "libqb");
}

static int socket_listening(const struct sockaddr_un *address, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)address, (socklen_t)size), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

static int name_listening(const char *name, bool padded)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path + 1, name);
	return socket_listening(&a, padded ? sizeof(a) :
					     offsetof(struct sockaddr_un, sun_path) + 1 +
						     strlen(name));
}

static int file_listening(const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	ck_assert_int_lt(snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s",
				  SOCKETDIR, name),
			 (int)sizeof(address->sun_path));
	return socket_listening(address, sizeof(*address));
}

static void client_served(struct peer *s)
{
	qb_ipcc_connection_t *c = client_connect(s->name, 0);

	peer_await(s);
	for (int i = 0; i < REQUESTS; i++)
		echo(c, 16 + (size_t)i * 500);
	client_send_patiently(c, COMPAT_EVENT, 100);
	client_must_recv_event(c, COMPAT_EVENT, 100);
	qb_ipcc_disconnect(c);
	peer_expect(s, "accept created closed destroyed");
}

START_TEST(servers_are_started_by_their_clients_one_after_the_other)
{
	struct sockaddr_un file = { 0 };
	char name[64];
	int listener;

	unique_name(name, sizeof(name));
	cell_enter(_i);
	listener = cells[_i].filesystem ? file_listening(name, &file) :
					  name_listening(name, client_is_libqb());
	for (int i = 0; i < ROUNDS; i++) {
		struct peer *s = peer_activate(_i, name, listener);

		client_served(s);
		peer_stop(s);
	}
	close(listener);
	/* It was the maker's, and the servers have left it. */
	if (cells[_i].filesystem)
		ck_assert_int_eq(unlink(file.sun_path), 0);
}
END_TEST

START_TEST(libqb_does_not_look_at_a_name_that_is_not_padded)
{
	char name[64];
	int listener;

	unique_name(name, sizeof(name));
	cell_enter(_i);
	listener = name_listening(name, false);
	ck_assert_ptr_null(qb_ipcc_connect(name, 0));
	ck_assert_int_eq(errno, ECONNREFUSED);
	close(listener);
}
END_TEST

void add_activation_tests(TCase *tc, int cell)
{
	if (strcmp(cells[cell].server, "qbipc") != 0)
		return;
	add_cell_test(tc, servers_are_started_by_their_clients_one_after_the_other, cell);
	if (client_is_libqb() && !cells[cell].filesystem)
		add_cell_test(tc, libqb_does_not_look_at_a_name_that_is_not_padded, cell);
}
