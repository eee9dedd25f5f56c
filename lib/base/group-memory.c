/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/group-memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/*
 * Small, because the caller may be a thread with a small stack. A group whose path is longer
 * counts as one without a limit.
 */
#define PATH_SIZE 512
#define MEMBERSHIP_SIZE 3000

/* The file has "max" or bytes; version 1 has a number that no machine reaches for "max". */
static uint64_t group_limit(const char *dir, const char *name)
{
	char path[PATH_SIZE + 32], text[64], *end;
	unsigned long long limit;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    qbi_file_text(path, text, sizeof(text)) < 0)
		return UINT64_MAX;
	limit = strtoull(text, &end, 10);
	return end == text ? UINT64_MAX : limit;
}

/*
 * The lowest limit of @dir and of the directories above it, up to the one that is named by
 * the first @root bytes of @dir.
 */
static uint64_t least_limit(char *dir, size_t root, const char *name)
{
	uint64_t least = UINT64_MAX;

	for (;;) {
		uint64_t limit = group_limit(dir, name);

		if (limit < least)
			least = limit;
		if (strlen(dir) <= root)
			return least;
		*strrchr(dir, '/') = '\0';
	}
}

static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);
	const char *at = list;

	while ((at = strstr(at, word))) {
		if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
			return true;
		at += n;
	}
	return false;
}

/* The limit of the group in one line of the file: number:controllers:/path. */
static uint64_t membership_limit(const char *mount, char *line)
{
	char *controllers = strchr(line, ':'), *path;
	char dir[PATH_SIZE];
	bool first;
	size_t root;

	path = controllers ? strchr(++controllers, ':') : NULL;
	if (!path || path[1] != '/')
		return UINT64_MAX;
	*path++ = '\0';
	first = list_has(controllers, "memory");
	if (!first && *controllers)
		return UINT64_MAX;
	root = strlen(mount) + (first ? strlen("/memory") : 0);
	if (snprintf(dir, sizeof(dir), "%s%s%s", mount, first ? "/memory" : "", path) >=
	    (int)sizeof(dir))
		return UINT64_MAX;
	return least_limit(dir, root, first ? "memory.limit_in_bytes" : "memory.max");
}

uint64_t qbi_group_memory(const char *mount, const char *membership)
{
	char text[MEMBERSHIP_SIZE], *line = text, *next;
	uint64_t least = UINT64_MAX;

	if (qbi_file_text(membership, text, sizeof(text)) < 0)
		return UINT64_MAX;
	for (; line; line = next) {
		uint64_t limit;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		limit = membership_limit(mount, line);
		if (limit < least)
			least = limit;
	}
	return least;
}
