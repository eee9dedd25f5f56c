/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/qbipc/text.h"

#include <inttypes.h>
#include <string.h>

static bool is_printable(unsigned char c)
{
	return c >= ' ' && c <= '~';
}

void text_print(FILE *out, const char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\\')
			fputs("\\\\", out);
		else if (is_printable(c))
			fputc(c, out);
		else
			fprintf(out, "\\x%02x", c);
	}
}

size_t text_width(const char *bytes, size_t size)
{
	size_t columns = 0, i;

	for (i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		columns += c == '\\' ? 2 : is_printable(c) ? 1 : 4;
	}
	return columns;
}

void text_print_padded(FILE *out, const char *bytes, size_t size, size_t columns)
{
	size_t width = text_width(bytes, size);

	text_print(out, bytes, size);
	fprintf(out, "%*s", width < columns ? (int)(columns - width) : 0, "");
}

bool text_is_plain(const char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (!is_printable((unsigned char)bytes[i]) && bytes[i] != '\n' &&
		    bytes[i] != '\t')
			return false;
	return true;
}

void text_dump(FILE *out, const void *bytes, size_t size)
{
	const unsigned char *b = bytes;
	size_t at, i;

	for (at = 0; at < size; at += 16) {
		fprintf(out, "%08zx ", at);
		for (i = at; i < at + 16; i++) {
			fputs(i % 8 ? " " : "  ", out);
			if (i < size)
				fprintf(out, "%02x", b[i]);
			else
				fputs("  ", out);
		}
		fputs("  |", out);
		for (i = at; i < at + 16 && i < size; i++)
			fputc(is_printable(b[i]) ? b[i] : '.', out);
		fputs("|\n", out);
	}
}

/* -- JSON ---------------------------------------------------------------------- */

static void json_begin(struct json *j, const char *key)
{
	if (j->more)
		fputs(", ", j->out);
	if (key)
		fprintf(j->out, "\"%s\": ", key);
	j->more = true;
}

void json_open(struct json *j, const char *key, char bracket)
{
	json_begin(j, key);
	fputc(bracket, j->out);
	j->more = false;
}

void json_close(struct json *j, char bracket)
{
	fputc(bracket, j->out);
	j->more = true;
}

void json_number(struct json *j, const char *key, uint64_t n)
{
	json_begin(j, key);
	fprintf(j->out, "%" PRIu64, n);
}

void json_integer(struct json *j, const char *key, int64_t n)
{
	json_begin(j, key);
	fprintf(j->out, "%" PRId64, n);
}

void json_real(struct json *j, const char *key, double x)
{
	json_begin(j, key);
	fprintf(j->out, "%.9g", x);
}

void json_bool(struct json *j, const char *key, bool b)
{
	json_begin(j, key);
	fputs(b ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	json_begin(j, key);
	fputs("null", j->out);
}

/*
 * The code point at the beginning of the @size bytes at @b, and its length. A byte that is not
 * part of valid UTF-8 is U+FFFD of length 1; overlong forms and surrogates are not valid.
 */
static uint32_t utf8_next(const unsigned char *b, size_t size, size_t *ret_length)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = b[0] < 0x80 ? 1 :
		   b[0] < 0xc2 ? 0 :
		   b[0] < 0xe0 ? 2 :
		   b[0] < 0xf0 ? 3 :
		   b[0] < 0xf5 ? 4 :
				 0;
	uint32_t code = n == 1 ? b[0] : n ? b[0] & (0x7fu >> n) : 0;
	size_t i;

	*ret_length = 1;
	if (n == 0 || n > size)
		return 0xfffd;
	for (i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0xfffd;
		code = code << 6 | (b[i] & 0x3fu);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0xfffd;
	*ret_length = n;
	return code;
}

static void json_code_point(FILE *out, uint32_t code)
{
	if (code == '"' || code == '\\')
		fprintf(out, "\\%c", (int)code);
	else if (code < 0x80 && is_printable((unsigned char)code))
		fputc((int)code, out);
	else if (code < 0x10000)
		fprintf(out, "\\u%04x", code);
	else
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
			0xdc00 + ((code - 0x10000) & 0x3ff));
}

void json_string(struct json *j, const char *key, const char *bytes, size_t size)
{
	const unsigned char *b = (const unsigned char *)bytes;
	size_t length;

	json_begin(j, key);
	fputc('"', j->out);
	for (; size > 0; b += length, size -= length)
		json_code_point(j->out, utf8_next(b, size, &length));
	fputc('"', j->out);
}

void json_text(struct json *j, const char *key, const char *text)
{
	json_string(j, key, text, strlen(text));
}
