/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The histogram has 128 slots per power of two: a value is known to better than 1 %, at
 * constant memory and without a sort between two measurements.
 */
#include "histogram.h"

#include <stddef.h>

#define SUB_BITS 7
#define SUB_SLOTS ((size_t)1 << SUB_BITS)

void histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned int shift = 0;

	while (ns >> shift >= 2 * SUB_SLOTS)
		shift++;
	h->slot[shift * SUB_SLOTS + (ns >> shift)]++;
	h->count++;
}

void histogram_join(struct histogram *h, const struct histogram *other)
{
	size_t i;

	for (i = 0; i < sizeof(h->slot) / sizeof(h->slot[0]); i++)
		h->slot[i] += other->slot[i];
	h->count += other->count;
}

double histogram_us(const struct histogram *h, double quantile)
{
	uint64_t rank = (uint64_t)(quantile * (double)h->count), seen = 0;
	size_t i, shift = 0;

	for (i = 0; i < sizeof(h->slot) / sizeof(h->slot[0]); i++) {
		seen += h->slot[i];
		if (seen > rank)
			break;
	}
	/* Slots below 2 * SUB_SLOTS are exact; above, the shift is in the index. */
	if (i >= 2 * SUB_SLOTS)
		shift = i / SUB_SLOTS - 1;
	return (double)((i - shift * SUB_SLOTS) << shift) / 1000;
}
