/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A test that ran against an installed library would pass for what it never tested. So
 * each program that has one of ours loaded looks where it lies, before anything else.
 * QBIPC_TEST_LIBRARY, set by make check, is where it has to be.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/loaded.h"

__attribute__((constructor)) void loaded_verify(void)
{
	const char *wanted = getenv("QBIPC_TEST_LIBRARY");
	/* By its soname: libqb may be loaded as well. None is a program with our objects. */
	void *handle = dlopen("libqbipc.so.0", RTLD_NOLOAD | RTLD_LAZY);
	char right[PATH_MAX], real[PATH_MAX];
	Dl_info info;
	void *ours;

	if (!handle)
		return;
	ours = dlsym(handle, "qbipc_version");
	if (wanted && ours && dladdr(ours, &info) &&
	    (!realpath(wanted, right) || !realpath(info.dli_fname, real) ||
	     strcmp(right, real) != 0)) {
		fprintf(stderr, "tests %s instead of %s\n", info.dli_fname, wanted);
		exit(99);
	}
	dlclose(handle);
}
