/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/qbipc/process.h"
#include "tools/qbipc/sockets.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATE_LISTENING 10 /* TCP_LISTEN, which unix sockets use as well */
#define PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/* Kernels before 5.3 ignore this and do not report owners. */
#ifndef UDIAG_SHOW_UID
#define UDIAG_SHOW_UID 0x40
#endif
#define DIAG_UID 7 /* UNIX_DIAG_UID, which old headers lack */

/* -- Names ----------------------------------------------------------------------- */

/* NUL, the name, and NULs to the end of the address: services bind such addresses. */
static bool is_padded_name(const char *path, size_t size)
{
	size_t n = strnlen(path + 1, size - 1);
	size_t i;

	if (size != PATH_SIZE || n == 0 || memchr(path + 1, '/', n))
		return false;
	for (i = 1 + n; i < size; i++)
		if (path[i])
			return false;
	return true;
}

static bool is_in_socket_dir(const char *path)
{
	size_t n = strlen(SOCKETDIR);

	return strncmp(path, SOCKETDIR "/", n + 1) == 0 && path[n + 1] &&
	       !strchr(path + n + 1, '/');
}

/* @path: @size bytes from the kernel, at most PATH_SIZE. */
static void socket_name(struct socket *s, const char *path, size_t size)
{
	if (path[0] == '\0') {
		s->kind = SOCKET_ABSTRACT;
		s->is_service = is_padded_name(path, size);
		s->name_size = s->is_service ? strnlen(path + 1, size - 1) : size - 1;
		memcpy(s->name, path + 1, s->name_size);
	} else {
		s->kind = SOCKET_FILE;
		s->name_size = strnlen(path, size);
		memcpy(s->name, path, s->name_size);
		s->is_service = is_in_socket_dir(s->name);
	}
}

/* -- sock_diag ----------------------------------------------------------------- */

static int request_send(int fd)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = AF_UNIX,
			 .udiag_states = 1u << STATE_LISTENING,
			 .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID },
	};

	return send(fd, &q, sizeof(q), 0) < 0 ? -errno : 0;
}

static int socket_add(struct sockets *all, const struct socket *s)
{
	/* The list is full if and only if the count is 0 or a power of two. */
	if ((all->count & (all->count - 1)) == 0) {
		size_t room = all->count ? all->count * 2 : 1;
		struct socket *list = realloc(all->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		all->list = list;
	}
	all->list[all->count++] = *s;
	return 0;
}

/* One socket. Sockets without a name are skipped: no client can connect to them. */
static int message_take(struct sockets *all, struct nlmsghdr *head)
{
	struct unix_diag_msg *m = NLMSG_DATA(head);
	struct socket s = { .inode = m->udiag_ino, .uid = (uid_t)-1 };
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	struct rtattr *a;
	bool named = false;

	if (m->udiag_type != SOCK_STREAM)
		return 0;
	for (a = (struct rtattr *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t size = RTA_PAYLOAD(a);

		if (a->rta_type == UNIX_DIAG_NAME && size > 0 && size <= PATH_SIZE) {
			socket_name(&s, RTA_DATA(a), size);
			named = s.name_size > 0;
		} else if (a->rta_type == DIAG_UID && size == sizeof(s.uid)) {
			memcpy(&s.uid, RTA_DATA(a), sizeof(s.uid));
		}
	}
	return named ? socket_add(all, &s) : 0;
}

/* 1 when the dump is complete, 0 when there is more, -errno. */
static int messages_take(struct sockets *all, struct nlmsghdr *head, ssize_t size)
{
	int r = 0;

	for (; r == 0 && NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 1;
		if (head->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
		if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			r = message_take(all, head);
	}
	return r;
}

static int socket_compare(const void *a, const void *b)
{
	const struct socket *x = a, *y = b;
	size_t n = x->name_size < y->name_size ? x->name_size : y->name_size;
	int r = memcmp(x->name, y->name, n);

	if (r == 0)
		r = x->name_size < y->name_size ? -1 : x->name_size > y->name_size;
	return r ? r : x->kind < y->kind ? -1 : x->kind > y->kind;
}

int sockets_list(struct sockets *ret)
{
	struct sockets all = { .list = NULL };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r = fd < 0 ? -errno : request_send(fd);

	while (r == 0) {
		/* The kernel fills no more than 32 KiB at a time. */
		static _Alignas(struct nlmsghdr) char buf[32768];
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0)
			r = errno == EINTR ? 0 : -errno;
		else
			r = messages_take(&all, (struct nlmsghdr *)(void *)buf, n);
	}
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		sockets_free(&all);
		return r;
	}
	if (all.count)
		qsort(all.list, all.count, sizeof(*all.list), socket_compare);
	*ret = all;
	return 0;
}

void sockets_free(struct sockets *s)
{
	free(s->list);
	*s = (struct sockets){ .list = NULL };
}

/* -- Processes ----------------------------------------------------------------- */

static void process_note(pid_t pid, unsigned long inode, void *data)
{
	struct sockets *s = data;
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->list[i].inode == inode && (!s->list[i].pid || pid < s->list[i].pid))
			s->list[i].pid = pid;
}

void sockets_find_processes(struct sockets *s)
{
	process_each_socket(process_note, s);
}
