/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints bytes that other processes chose: to a terminal without control characters, in JSON
 * with all escapes that it needs. The output is ASCII in both cases.
 */
#ifndef TOOL_TEXT_H
#define TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Print printable ASCII as it is, a backslash doubled, other bytes as \xNN. */
void text_print(FILE *out, const char *bytes, size_t size);

/* The number of columns that text_print() uses. */
size_t text_width(const char *bytes, size_t size);

/* As text_print(), padded to @columns with blanks. */
void text_print_padded(FILE *out, const char *bytes, size_t size, size_t columns);

/* Is it only printable ASCII, tabs and line feeds? */
bool text_is_plain(const char *bytes, size_t size);

/* Dump 16 bytes per line: offset, hexadecimal, printable ASCII. */
void text_dump(FILE *out, const void *bytes, size_t size);

/* -- JSON ---------------------------------------------------------------------- */

/* An output, and the state of the value being written. */
struct json {
	FILE *out;
	bool more; /* there is a value before, at this level */
};

/* @key is NULL inside an array and at the top level; it must need no escaping. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_number(struct json *j, const char *key, uint64_t n);
void json_integer(struct json *j, const char *key, int64_t n);
void json_real(struct json *j, const char *key, double x);
void json_bool(struct json *j, const char *key, bool b);
void json_null(struct json *j, const char *key);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *j, const char *key, const char *bytes, size_t size);
void json_text(struct json *j, const char *key, const char *text);

#endif
