/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One cell of the table {libqb, qbipc} client x {libqb, qbipc} server x transport x
 * kind of address. The client is the program this is linked into, the server one of
 * the two builds of compat-server, started anew for each test.
 *
 * Filesystem sockets are switched on by a file in /etc. Such a test lives in a mount
 * namespace with an /etc of its own, so others see nothing of it.
 *
 * The native transport is offered to libqb too, which has to be ignored there; between
 * two ends of ours it has cells of its own, and the others leave it off.
 */
#ifndef COMPAT_CELL_H
#define COMPAT_CELL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <check.h>
#include <qb/qbipcc.h>

#include "tests/compat/protocol.h"

struct cell {
	const char *server;    /* "libqb" or "qbipc" */
	const char *transport; /* "shm" or "socket" */
	bool native;	       /* not on libqb's wire */
	bool filesystem;       /* else an abstract address */
};

extern const struct cell cells[];
extern const int cell_count;

/* Which library this program is linked to: "libqb" or "qbipc". */
extern const char client_library[];

struct peer {
	pid_t pid; /* -1 once reaped */
	int control;
	bool was_killed;
	char name[64];
	const struct cell *cell;
};

struct peer_options {
	uint32_t min_size;
	bool auth; /* auth_set with what follows, -1 as given */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* May this process make namespaces and change its user? */
bool cell_is_privileged(void);

struct peer *peer_start(int cell, const struct peer_options *options);
/*
 * In a cell that was entered: a server of that name which the first client of @listener
 * starts, by being there. peer_await() when there is one.
 */
struct peer *peer_activate(int cell, const char *name, int listener);
void peer_await(struct peer *s);
/* Close the control socket; it must end by itself and leave nothing in /dev/shm. */
void peer_stop(struct peer *s);
void peer_kill(struct peer *s);
/* Again, after peer_kill(), with the same name and no options. */
void peer_restart(struct peer *s);
/* The answer of the server, good until the next command. */
const char *peer_tell(struct peer *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The server's trace becomes @expected within the deadline. */
void peer_expect(struct peer *s, const char *expected);

/* Is there a cell for this client and that server? */
bool cell_exists(int cell);
bool cell_is_shm(int cell);
/* Settings and addresses of the cell, for the rest of this process; as peer_start(). */
void cell_enter(int cell);

/* Files in /dev/shm of this server and @client; and the directory of the newest. */
int files_of(pid_t server, pid_t client);
bool files_directory(pid_t server, pid_t client, char *path, size_t size);

/* There and back, checked; waits for room. */
void echo(qb_ipcc_connection_t *c, size_t size);

/* A connection to @s that has been shown to work by one echo. */
qb_ipcc_connection_t *connect_to(struct peer *s, size_t max_msg_size);

/* The tests of each file, added to the case of one cell. */
void add_activation_tests(TCase *tc, int cell);
void add_message_tests(TCase *tc, int cell);
void add_event_tests(TCase *tc, int cell);
void add_ending_tests(TCase *tc, int cell);
void add_file_tests(TCase *tc, int cell);
void add_turn_tests(TCase *tc, int cell);

#define add_cell_test(tcase, test, cell) tcase_add_loop_test(tcase, test, cell, (cell) + 1)

#endif
