/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of rows. bench.sh measures them in this order; bounds has what must hold. */
#include "peer.h"

#define K (size_t)1024

/* At the pace of daemons, in the three placements. */
#define PACED(kind, per_second, ...)                                                           \
	{ "paced-" #kind "-" #per_second, bench_paced_##kind##s,       .size = 64,             \
	  .pace = (per_second),		  .placement = BENCH_TWO_CPUS, __VA_ARGS__ },          \
		{ "paced-" #kind "-" #per_second "-one-cpu",                                   \
		  bench_paced_##kind##s,                                                       \
		  .size = 64,                                                                  \
		  .pace = (per_second),                                                        \
		  .placement = BENCH_ONE_CPU,                                                  \
		  __VA_ARGS__ },                                                               \
	{                                                                                      \
		"paced-" #kind "-" #per_second "-unplaced", bench_paced_##kind##s,             \
			.size = 64, .pace = (per_second), __VA_ARGS__                          \
	}

/* Requests of 64 bytes and of 4 KiB in a loop that is not the built-in one. */
#define ONEWAY_IN(name)                                                                        \
	{ "oneway-64-" name, bench_oneway, .size = 64, .placement = BENCH_TWO_CPUS,            \
	  .loop = (name) },                                                                    \
	{                                                                                      \
		"oneway-4K-" name, bench_oneway, .size = 4 * K, .placement = BENCH_TWO_CPUS,   \
						 .loop = (name)                                \
	}

/* Large requests on the wire of each library, and on the one that both have. */
#define ONEWAY_LARGE(name, bytes)                                                              \
	{ "oneway-" name, bench_oneway, .size = (bytes), .placement = BENCH_TWO_CPUS },        \
	{                                                                                      \
		"oneway-" name "-libqb-wire", bench_oneway,                                    \
			.size = (bytes), .placement = BENCH_TWO_CPUS, .libqb_wire = 1          \
	}

const struct bench_row bench_rows[] = {
	PACED(call, 10, .times = BENCH_SLOW),
	PACED(call, 200),
	PACED(call, 2000),
	PACED(call, 20000),
	PACED(event, 10, .times = BENCH_SLOW),
	PACED(event, 200),
	PACED(event, 2000),
	PACED(event, 20000),
	{ "paced-clients-50", bench_many_clients, .size = 64, .count = 50, .pace = 20,
	  .company = BENCH_BUSY_ONE, .times = BENCH_SLOW },
	{ "waiting", bench_waiting, .size = 64, .times = BENCH_WAITING },

	{ "roundtrip-64", bench_roundtrip, .size = 64, .placement = BENCH_TWO_CPUS },
	{ "roundtrip-1K", bench_roundtrip, .size = K, .placement = BENCH_TWO_CPUS },
	{ "roundtrip-64K", bench_roundtrip, .size = 64 * K, .placement = BENCH_TWO_CPUS },
	{ "roundtrip-1M", bench_roundtrip, .size = BENCH_LARGEST_MSG,
	  .placement = BENCH_TWO_CPUS },
	{ "roundtrip-64-one-cpu", bench_roundtrip, .size = 64, .placement = BENCH_ONE_CPU },
	{ "roundtrip-64-unplaced", bench_roundtrip, .size = 64 },
	{ "roundtrip-64-pinned", bench_roundtrip, .size = 64, .placement = BENCH_PINNED },
	{ "roundtrip-64-busy", bench_roundtrip, .size = 64, .company = BENCH_BUSY_EACH },

	{ "built-64K", bench_built, .size = 64 * K, .placement = BENCH_TWO_CPUS },
	{ "built-1M", bench_built, .size = BENCH_LARGEST_MSG, .placement = BENCH_TWO_CPUS },
	{ "lent-64K", bench_lent, .size = 64 * K, .placement = BENCH_TWO_CPUS },
	{ "lent-1M", bench_lent, .size = BENCH_LARGEST_MSG, .placement = BENCH_TWO_CPUS },

	{ "oneway-64", bench_oneway, .size = 64, .placement = BENCH_TWO_CPUS },
	{ "oneway-4K", bench_oneway, .size = 4 * K, .placement = BENCH_TWO_CPUS },
	ONEWAY_IN("poll"),
	ONEWAY_IN("qb"),
	ONEWAY_IN("glib"),
	ONEWAY_IN("libev"),
	ONEWAY_IN("libevent"),
	ONEWAY_IN("libuv"),
	ONEWAY_IN("sd-event"),
	ONEWAY_LARGE("64K", 64 * K),
	ONEWAY_LARGE("256K", 256 * K),
	ONEWAY_LARGE("512K", 512 * K),
	ONEWAY_LARGE("1M", BENCH_LARGEST_MSG),

	{ "events-64-single", bench_events, .size = 64, .count = 1,
	  .placement = BENCH_TWO_CPUS },
	{ "events-64-burst", bench_events, .size = 64, .count = 0,
	  .placement = BENCH_TWO_CPUS },

	{ "clients-8", bench_many_clients, .size = 64, .count = 8 },
	{ "reconnect", bench_reconnect, .size = 64 },
	{ "memory", bench_memory, .size = 64, .count = 100 },
	{ "idle-500", bench_idle, .size = 64, .count = 500, .times = BENCH_SLOW },
	{ 0 },
};

#define PACE(per_second, ...)                                                                  \
	{                                                                                      \
		"pace-" #per_second, bench_paced_calls, .size = 64, .pace = (per_second),      \
							.placement = BENCH_TWO_CPUS,           \
							__VA_ARGS__                            \
	}

/* Points of curves: the name ends in what is laid off on the x axis. */
const struct bench_row bench_curves[] = {
	{ "size-16", bench_roundtrip, .size = 16, .placement = BENCH_TWO_CPUS },
	{ "size-64", bench_roundtrip, .size = 64, .placement = BENCH_TWO_CPUS },
	{ "size-256", bench_roundtrip, .size = 256, .placement = BENCH_TWO_CPUS },
	{ "size-1024", bench_roundtrip, .size = K, .placement = BENCH_TWO_CPUS },
	{ "size-4096", bench_roundtrip, .size = 4 * K, .placement = BENCH_TWO_CPUS },
	{ "size-16384", bench_roundtrip, .size = 16 * K, .placement = BENCH_TWO_CPUS },
	{ "size-65536", bench_roundtrip, .size = 64 * K, .placement = BENCH_TWO_CPUS },
	{ "size-262144", bench_roundtrip, .size = 256 * K, .placement = BENCH_TWO_CPUS },
	{ "size-1048576", bench_roundtrip, .size = BENCH_LARGEST_MSG,
	  .placement = BENCH_TWO_CPUS },
	{ "clients-1", bench_many_clients, .size = 64, .count = 1 },
	{ "clients-2", bench_many_clients, .size = 64, .count = 2 },
	{ "clients-4", bench_many_clients, .size = 64, .count = 4 },
	{ "clients-8", bench_many_clients, .size = 64, .count = 8 },
	{ "clients-16", bench_many_clients, .size = 64, .count = 16 },
	{ "clients-32", bench_many_clients, .size = 64, .count = 32 },
	{ "clients-64", bench_many_clients, .size = 64, .count = 64 },
	PACE(10, .times = BENCH_SLOW),
	PACE(50, .times = BENCH_SLOW),
	PACE(200),
	PACE(1000),
	PACE(2000),
	PACE(5000),
	PACE(20000),
	{ 0 },
};
