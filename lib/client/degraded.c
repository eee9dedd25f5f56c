/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/degraded.h"

#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/util.h"

/* The administrator may change a policy while a program runs: after this time the native wire
 * is tried again. */
#define REMEMBERED_NS (60 * QBI_NS_PER_S)

/* Indexed by a hash of the name; a later name with the same index replaces it. */
static struct {
	_Atomic(uint64_t) hash;
	_Atomic(uint64_t) until;
	_Atomic(uint32_t) why;
} services[16];

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t name_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (*name)
		hash = (hash ^ (unsigned char)*name++) * 0x100000001b3u;
	return hash;
}

void qbi_degraded_note(const char *service, struct qbi_why why)
{
	uint64_t hash = name_hash(service);
	size_t i = hash % QBI_ARRAY_SIZE(services);

	if (qbi_why_is_short(why))
		return;
	services[i].hash = hash;
	services[i].why = qbi_why_pack(why);
	services[i].until = qbi_now_ns() + REMEMBERED_NS;
}

struct qbi_why qbi_degraded_why(const char *service)
{
	uint64_t hash = name_hash(service);
	size_t i = hash % QBI_ARRAY_SIZE(services);

	if (services[i].hash != hash || services[i].until <= qbi_now_ns())
		return (struct qbi_why){ 0 };
	return qbi_why_unpack(services[i].why);
}
