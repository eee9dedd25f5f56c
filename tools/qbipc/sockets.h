/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listening stream sockets of this network namespace, from the kernel's sock_diag. It
 * gives exact names, with any bytes in them, and the owner of each socket, to every user.
 * No connection is made.
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
	size_t name_size; /* without the NUL; an abstract name may hold others */
	enum socket_kind kind;
	bool is_service; /* has the address of a service of this wire */
	uint32_t inode;
	uid_t uid; /* user that made it; -1: unknown to the kernel */
	pid_t pid; /* a process that has it open, the lowest; 0: unknown */
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
