/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a false server does once its client believes in it: its ends of what it sent, and
 * operations on them that the input chooses. Never maps anything: it writes into files.
 */
#ifndef TEST_FUZZ_FALSE_SERVER_H
#define TEST_FUZZ_FALSE_SERVER_H

#include "tests/fuzz/fuzz.h"
#include "wire/handshake.h"

enum { FALSE_SOCKETS = 4 };

struct false_server {
	int stream;		    /* -1: hung up */
	int memory;		    /* common memory of native rings; -1: none was sent */
	int sent;		    /* what the server sends lies there; likewise */
	int sockets[FALSE_SOCKETS]; /* other ends of those sent */
	unsigned int n_sockets;
	int bell;	     /* that the client has joined; -1: none */
	int request, events; /* of libqb's wire over sockets; -1: none */
};

#define FALSE_SERVER_INIT                                                                      \
	{                                                                                      \
		.stream = -1, .memory = -1, .sent = -1, .bell = -1, .request = -1,             \
		.events = -1                                                                   \
	}

/* The names that a client sends datagrams to and expects them from. */
void false_server_bind(struct false_server *s, const struct qbi_welcome *w);

/* One operation; @dir has the files that @w names, or may name. */
void false_server_act(struct false_server *s, const struct qbi_welcome *w, const char *dir,
		      struct input *in);

void false_server_close(struct false_server *s);

#endif
