/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Describes the machine of a measurement: processor, kernel, load.
 */
#include "tools/qbipc/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The name of the first processor; false: /proc/cpuinfo has none. */
static bool processor_name(char *name, size_t room)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *value = strstr(line, ": ");

		if (value && strncmp(line, "model name", strlen("model name")) == 0) {
			value[strcspn(value, "\n")] = '\0';
			snprintf(name, room, "%s", value + 2);
			found = true;
		}
	}
	if (f)
		fclose(f);
	return found;
}

void bench_machine(char *buf, size_t room)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct utsname system = { 0 };
	char processor[128];
	double load = 0;

	uname(&system);
	if (!processor_name(processor, sizeof(processor)))
		snprintf(processor, sizeof(processor), "%s", system.machine);
	if (getloadavg(&load, 1) != 1)
		load = 0;
	snprintf(buf, room, "%s, %ld CPU%s, %s %s; load before %.1f", processor, cpus,
		 cpus == 1 ? "" : "s", system.sysname, system.release, load);
}
