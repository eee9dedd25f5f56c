/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listening stream sockets of this network namespace, from the kernel's sock_diag, which
 * tells every user the exact name of each socket, with any bytes in it, and its owner. No
 * connection is made.
 */
#ifndef TOOL_SOCKETS_H
#define TOOL_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum socket_kind { SOCKET_ABSTRACT, SOCKET_FILE };

struct socket {
	char name[109];	  /* of the service, or a path; ends with a NUL */
	size_t name_size; /* without that NUL; an abstract name may contain others */
	enum socket_kind kind;
	bool is_service; /* has an address as a service has it */
	uint32_t inode;
	uid_t uid; /* user that created it; -1: the kernel does not tell */
	pid_t pid; /* the lowest pid of those that have it open; 0: unknown */
};

struct sockets {
	struct socket *list;
	size_t count;
};

/* List all of them, sorted by name. 0 or -errno; free with sockets_free(). */
int sockets_list(struct sockets *ret);
void sockets_free(struct sockets *s);

/* Fill in the pids, as far as this user may see the descriptors of others. */
void sockets_find_processes(struct sockets *s);

#endif
