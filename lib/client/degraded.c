/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/degraded.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/util.h"

/* A policy may be mended while a program runs: after so long the native wire is tried
 * again. */
#define REMEMBERED_NS (60 * QBI_NS_PER_S)

/* By a hash of the name; one that has the same place takes it. */
static struct {
	_Atomic(uint64_t) hash;
	_Atomic(uint64_t) until;
} services[16];

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t name_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (*name)
		hash = (hash ^ (unsigned char)*name++) * 0x100000001b3u;
	return hash;
}

void qbi_degraded_note(const char *service, int error)
{
	uint64_t hash = name_hash(service);
	size_t i = hash % QBI_ARRAY_SIZE(services);

	if (error == -EMFILE || error == -ENFILE || error == -ENOMEM)
		return;
	services[i].hash = hash;
	services[i].until = qbi_now_ns() + REMEMBERED_NS;
}

bool qbi_degraded_is(const char *service)
{
	uint64_t hash = name_hash(service);
	size_t i = hash % QBI_ARRAY_SIZE(services);

	return services[i].hash == hash && services[i].until > qbi_now_ns();
}
