/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of services, and the socket addresses that belong to them. */
#ifndef QBI_WIRE_NAMES_H
#define QBI_WIRE_NAMES_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Longest name of a service. libqb truncates longer names; we refuse them. */
#define QBI_SERVICE_NAME_MAX 106

/*
 * 0; -EINVAL for NULL, empty or with a slash; -ENAMETOOLONG. Then *@ret_why says what is
 * wrong, in words.
 */
int qbi_service_name_check(const char *name, const char **ret_why);

/*
 * The address of the service @name: an abstract one (NUL, name, NULs up to the end of the
 * struct), or with @filesystem the path SOCKETDIR/name. 0, -EINVAL, -ENAMETOOLONG.
 */
int qbi_service_address(const char *name, bool filesystem, struct sockaddr_un *ret_addr);

/*
 * The size of the abstract address @address without its padding, as other programs (for
 * example systemd) bind it for the same name. 0 for a path.
 */
socklen_t qbi_address_unpadded(const struct sockaddr_un *address);

/* The address of the socket at @path. 0 or -ENAMETOOLONG. */
int qbi_path_address(const char *path, struct sockaddr_un *ret_addr);

/* The abstract address "<prefix>-<channel>" of a datagram socket. 0 or -ENAMETOOLONG. */
int qbi_channel_address(const char *prefix, const char *channel, struct sockaddr_un *ret_addr);

#endif
