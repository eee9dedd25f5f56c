/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wire/names.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int qbi_service_name_check(const char *name, const char **ret_why)
{
	const char *why = !name		    ? "the name is NULL" :
			  !*name	    ? "the name is empty" :
			  strchr(name, '/') ? "the name has a slash in it" :
					      NULL;

	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	if (strnlen(name, QBI_SERVICE_NAME_MAX + 1) > QBI_SERVICE_NAME_MAX) {
		*ret_why = "the name is longer than 106 bytes";
		return -ENAMETOOLONG;
	}
	return 0;
}

/* All bytes of struct sockaddr_un are part of an abstract address: pad with NULs. */
static int address_abstract(const char *first, const char *second, struct sockaddr_un *ret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t room = sizeof(addr.sun_path) - 1;
	int n = snprintf(addr.sun_path + 1, room, "%s%s", first, second);

	if (n < 0 || (size_t)n >= room)
		return -ENAMETOOLONG;
	*ret = addr;
	return 0;
}

static int address_in_filesystem(const char *name, struct sockaddr_un *ret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", SOCKETDIR, name);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	*ret = addr;
	return 0;
}

int qbi_service_address(const char *name, bool filesystem, struct sockaddr_un *ret_addr)
{
	const char *why;
	int r = qbi_service_name_check(name, &why);

	if (r < 0)
		return r;
	return filesystem ? address_in_filesystem(name, ret_addr) :
			    address_abstract(name, "", ret_addr);
}

socklen_t qbi_address_unpadded(const struct sockaddr_un *address)
{
	if (address->sun_path[0] != '\0')
		return 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(address->sun_path + 1));
}

int qbi_path_address(const char *path, struct sockaddr_un *ret_addr)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t size = strnlen(path, sizeof(addr.sun_path));

	if (size == sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, size);
	*ret_addr = addr;
	return 0;
}

int qbi_channel_address(const char *prefix, const char *channel, struct sockaddr_un *ret_addr)
{
	char suffix[32];
	int n = snprintf(suffix, sizeof(suffix), "-%s", channel);

	if (n < 0 || (size_t)n >= sizeof(suffix))
		return -ENAMETOOLONG;
	return address_abstract(prefix, suffix, ret_addr);
}
