/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Printing what others chose: on a terminal without anything that acts on it, in JSON
 * without anything that breaks it. Both come out as ASCII.
 */
#ifndef TOOL_TEXT_H
#define TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Printable ASCII as it is, a backslash doubled, other bytes as \xNN. */
void text_print(FILE *out, const char *bytes, size_t size);

/* Columns that this takes. */
size_t text_width(const char *bytes, size_t size);

/* Padded to @columns with blanks. */
void text_print_padded(FILE *out, const char *bytes, size_t size, size_t columns);

/* Only printable ASCII, tabs and ends of lines? */
bool text_is_plain(const char *bytes, size_t size);

/* 16 bytes a line: offset, hexadecimal, printable ASCII. */
void text_dump(FILE *out, const void *bytes, size_t size);

/* -- JSON ---------------------------------------------------------------------- */

/* An output and where in a value it is. */
struct json {
	FILE *out;
	bool more; /* something stands before, at this level */
};

/* @key is NULL inside an array and at the top; it is ours and needs no escaping. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_number(struct json *j, const char *key, uint64_t n);
void json_integer(struct json *j, const char *key, int64_t n);
void json_real(struct json *j, const char *key, double x);
void json_bool(struct json *j, const char *key, bool b);
void json_null(struct json *j, const char *key);
/* Bytes that are no UTF-8 become U+FFFD. */
void json_string(struct json *j, const char *key, const char *bytes, size_t size);
void json_text(struct json *j, const char *key, const char *text);

#endif
