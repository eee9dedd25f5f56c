/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/holding.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct holding held;

struct holding holding_now(void)
{
	return held;
}

static void *block_add(void *block)
{
	if (block) {
		held.blocks++;
		held.heap += malloc_usable_size(block);
	}
	return block;
}

static void block_remove(void *block)
{
	if (block) {
		held.blocks--;
		held.heap -= malloc_usable_size(block);
	}
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return block_add(__real_malloc(size));
}

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size)
{
	size_t before = block ? malloc_usable_size(block) : 0;
	void *grown = __real_realloc(block, size);

	if (!grown)
		return NULL;
	held.heap -= before;
	held.blocks -= block != NULL;
	return block_add(grown);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return block_add(__real_calloc(n, size));
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
	return block_add(__real_strdup(text));
}

char *__real_strndup(const char *text, size_t most);
char *__wrap_strndup(const char *text, size_t most);
char *__wrap_strndup(const char *text, size_t most)
{
	return block_add(__real_strndup(text, most));
}

static int text_add(char **to, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));
static int text_add(char **to, const char *format, va_list ap)
{
	int n = vasprintf(to, format, ap);

	if (n >= 0)
		block_add(*to);
	return n;
}

int __wrap_asprintf(char **to, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **to, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = text_add(to, format, ap);
	va_end(ap);
	return n;
}

/* What asprintf() is with _FORTIFY_SOURCE. */
int __wrap___asprintf_chk(char **to, int flag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int __wrap___asprintf_chk(char **to, int flag, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = text_add(to, format, ap);
	va_end(ap);
	return n;
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
	block_remove(block);
	__real_free(block);
}

static size_t pages_of(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	void *base = __real_mmap(at, size, protection, flags, fd, offset);

	/* A fixed one takes the place of another. */
	if (base != MAP_FAILED && !(flags & MAP_FIXED))
		held.mapped += pages_of(size);
	return base;
}

int __real_munmap(void *base, size_t size);
int __wrap_munmap(void *base, size_t size);
int __wrap_munmap(void *base, size_t size)
{
	int r = __real_munmap(base, size);

	if (r == 0)
		held.mapped -= pages_of(size);
	return r;
}
