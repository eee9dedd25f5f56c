/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: pages have 64 KiB, as on arm64 and ppc64el they may. Whatever is done in such
 * pages the machine's smaller ones allow.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

enum { LARGE = 64 * 1024 };

long sysconf(int name)
{
	static long (*next)(int);

	if (name == _SC_PAGESIZE)
		return LARGE;
	if (next == NULL)
		next = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	return next(name);
}

int getpagesize(void)
{
	return LARGE;
}
