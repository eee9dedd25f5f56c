/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/pattern.h"

static uint8_t pattern_byte(size_t at, uint32_t seed)
{
	return (uint8_t)((at * 31 + (at >> 8) * 7 + seed * 13) & 0xff);
}

void pattern_fill(uint8_t *buf, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		buf[i] = pattern_byte(i, seed);
}

bool pattern_matches(const uint8_t *buf, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		if (buf[i] != pattern_byte(i, seed))
			return false;
	return true;
}
