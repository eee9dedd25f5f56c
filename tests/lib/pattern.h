/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contents that can be checked. */
#ifndef TEST_PATTERN_H
#define TEST_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that depend on @seed and on their position, so a shift is seen too. */
void pattern_fill(uint8_t *buf, size_t size, uint32_t seed);
bool pattern_matches(const uint8_t *buf, size_t size, uint32_t seed);

#endif
