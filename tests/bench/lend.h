/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that are built and looked at where they lie: what this library has for that, and
 * the other one has not. There these functions are NULL.
 */
#ifndef BENCH_LEND_H
#define BENCH_LEND_H

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <stdint.h>
#include <string.h>

#define BENCH_WEAK __attribute__((weak))

BENCH_WEAK int qbipc_request_reserve(qb_ipcc_connection_t *c, size_t size, void **place);
BENCH_WEAK ssize_t qbipc_request_commit(qb_ipcc_connection_t *c, size_t size);
BENCH_WEAK int qbipc_response_reserve(qb_ipcs_connection_t *c, size_t size, void **place);
BENCH_WEAK ssize_t qbipc_response_commit(qb_ipcs_connection_t *c, size_t size);
BENCH_WEAK ssize_t qbipc_response_view(qb_ipcc_connection_t *c, const void **message,
				       int32_t ms_timeout);
BENCH_WEAK int qbipc_response_release(qb_ipcc_connection_t *c);

/* What an application does with a message anyway: it writes each byte, and reads each. */
static inline void bench_body_write(void *message, size_t header, size_t size, int seed)
{
	memset((char *)message + header, seed, size - header);
}

static inline uint64_t bench_body_read(const void *message, size_t size)
{
	const uint64_t *word = message;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		sum += word[i];
	return sum;
}

/* So that the sum is computed. */
extern volatile uint64_t bench_sum;

#endif
