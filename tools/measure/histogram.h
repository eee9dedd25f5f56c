/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A distribution of times, without keeping them. */
#ifndef MEASURE_HISTOGRAM_H
#define MEASURE_HISTOGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct histogram {
	uint64_t count;
	uint32_t slot[64 * 128];
};
void histogram_add(struct histogram *h, uint64_t ns);
/* Add all of @other's. */
void histogram_join(struct histogram *h, const struct histogram *other);
/* The time below which @quantile of them are, from 0 to 1, in microseconds. */
double histogram_us(const struct histogram *h, double quantile);

#ifdef __cplusplus
}
#endif

#endif
