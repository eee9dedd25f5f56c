/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbdefs.h
 * Macros that the other headers and their users share.
 *
 * Arguments of the arithmetic macros are evaluated more than once.
 */
#ifndef QB_DEFS_H_DEFINED
#define QB_DEFS_H_DEFINED

/** @p x, rounded up to a multiple of @p y; both are integers, @p y is positive. */
#define QB_ROUNDUP(x, y) ((((x) + ((y)-1)) / (y)) * (y))
#define QB_ABS(i) ((i) < 0 ? -(i) : (i))
#define QB_MAX(a, b) ((a) > (b) ? (a) : (b))
#define QB_MIN(a, b) ((a) < (b) ? (a) : (b))

#define QB_FALSE 0
#define QB_TRUE (!QB_FALSE)

/* Bits of an unsigned int, counted from 0, the least significant one. */
#define qb_bit_value(bit) (1U << (bit))
#define qb_bit_set(barray, bit) ((barray) |= qb_bit_value(bit))
#define qb_bit_clear(barray, bit) ((barray) &= ~qb_bit_value(bit))
#define qb_bit_is_set(barray, bit) (qb_bit_value(bit) & (barray))
#define qb_bit_is_clear(barray, bit) (!qb_bit_is_set(barray, bit))

/* Paste and quote; the forms without the last underscore expand their arguments. */
#define QB_PP_JOIN_(a, b) a##b
#define QB_PP_JOIN(a, b) QB_PP_JOIN_(a, b)
#define QB_PP_STRINGIFY_(arg) #arg
#define QB_PP_STRINGIFY(arg) QB_PP_STRINGIFY_(arg)

/* Ticks per second, for programs that count in them; nothing in this library does. */
#ifndef HZ
#define HZ 100
#endif

/* Time units, each as so many of a smaller one; unsigned long long. */
#define QB_TIME_MS_IN_SEC 1000ULL
#define QB_TIME_US_IN_SEC 1000000ULL
#define QB_TIME_NS_IN_SEC 1000000000ULL
#define QB_TIME_US_IN_MSEC 1000ULL
#define QB_TIME_NS_IN_MSEC 1000000ULL
#define QB_TIME_NS_IN_USEC 1000ULL

/* The strict ISO modes of the GNU dialect hide these two under other spellings. */
#if defined(__GNUC__) && defined(__STRICT_ANSI__)
#undef inline
#define inline __inline__
#undef typeof
#define typeof __typeof__
#endif

/* Attributes of the GNU dialect; nothing on a compiler that has none. */
#ifdef __GNUC__
#define QB_GNUC_DEPRECATED __attribute__((__deprecated__))
#define QB_GNUC_DEPRECATED_FOR(f) __attribute__((__deprecated__("Use " #f " instead")))
#define QB_GNUC_MAY_ALIAS __attribute__((__may_alias__))
#else
#define QB_GNUC_DEPRECATED
#define QB_GNUC_DEPRECATED_FOR(f) QB_GNUC_DEPRECATED
#define QB_GNUC_MAY_ALIAS
#endif

#endif
