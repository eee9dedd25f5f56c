/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A main for fuzz targets without libFuzzer: runs the inputs in the files and
 * directories that it is given, or else the target's own corpus in the tree, in the order
 * of their names. "make check" uses it with any compiler.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static unsigned int inputs;
static const char *current = "";

/* A check that fails tells which input it was. */
static void current_print(void)
{
	fprintf(stderr, "in %s\n", current);
}

static void die(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(EXIT_FAILURE);
}

static void file_run(const char *path)
{
	static uint8_t buf[INPUT_MAX];
	FILE *f = fopen(path, "re");
	uint8_t *exact;
	size_t n;

	if (!f)
		die(path);
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* Of exactly that size, for a sanitizer to watch. */
	exact = malloc(n ? n : 1);
	if (!exact)
		die(path);
	memcpy(exact, buf, n);
	current = path;
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	inputs++;
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void path_run(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st) < 0)
		die(path);
	if (!S_ISDIR(st.st_mode)) {
		file_run(path);
		return;
	}
	n = scandir(path, &entries, is_visible, alphasort);
	if (n < 0)
		die(path);
	for (int i = 0; i < n; i++) {
		char below[4096];

		snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
		free(entries[i]);
		path_run(below);
	}
	free(entries);
}

static void abort_handler(int signal)
{
	current_print();
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	const char *name = strrchr(argv[0], '/');
	char corpus[4096];

	name = name ? name + 1 : argv[0];
	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
		 name);
	signal(SIGABRT, abort_handler);
	for (int i = 1; i < argc; i++)
		path_run(argv[i]);
	if (argc < 2)
		path_run(corpus);
	if (!inputs) {
		fprintf(stderr, "no inputs in %s\n", corpus);
		return EXIT_FAILURE;
	}
	printf("ok 1 - %s: %u inputs\n1..1\n", name, inputs);
	return EXIT_SUCCESS;
}
