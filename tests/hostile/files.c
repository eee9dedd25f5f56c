/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqb's wire: files that belong to the client. It truncates them at any time, and it
 * changes the directory behind the server's back, hoping that something else is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

/* The descriptors of all files of a connection. */
static int files_of(struct raw *p, int *fds)
{
	int n = 0;

	for (int i = 0; i < CHANNELS; i++)
		for (int k = 0; k < 2; k++)
			if (p->ring[i].files[k] >= 0)
				fds[n++] = p->ring[i].files[k];
	return n;
}

/* Never touches the mappings again: it is us who would be killed. */
static void files_truncate(struct raw *p, off_t size)
{
	int fds[2 * CHANNELS];

	for (int n = files_of(p, fds); n > 0; n--)
		REQUIRE_EQ(ftruncate(fds[n - 1], size), 0);
}

/* Have the server touch what it shares with us, in every way a client can ask for. */
static void provoke(struct raw *p)
{
	struct request r = { { .id = MSG_EVENT, .size = sizeof(r) } };

	if (p->response >= 0)
		for (int i = 0; i < 3; i++) {
			r.hdr.id = i;
			(void)send(p->response, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
		}
	raw_wake(p, 5);
}

static const off_t lengths[] = { 0, 1, 4095, 4096, 8191 };

ATTACK(files_truncated_before_use)
{
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct raw p;

		raw_connect(&p, &a->wish);
		files_truncate(&p, lengths[i]);
		provoke(&p);
		if (i == 0)
			arena_honest_goes_on(a);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(files_truncated_with_requests_in_them)
{
	struct request *r = request_make(MSG_ECHO, 5000, 5000);

	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct raw p;

		working_connect(a, &p);
		(void)raw_queue(&p, r, 5000);
		(void)raw_queue(&p, r, 5000);
		files_truncate(&p, lengths[i]);
		provoke(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
	free(r);
}

ATTACK(files_truncated_and_grown_all_the_time)
{
	while (arena_honest_wants_more(a)) {
		struct raw p;

		raw_connect(&p, &a->wish);
		for (int i = 0; i < 50 && !raw_is_dropped(&p); i++) {
			files_truncate(&p, (off_t)(chance() % 20000));
			provoke(&p);
			files_truncate(&p, 1 << 20);
			provoke(&p);
		}
		raw_close(&p);
	}
}

ATTACK(files_truncated_at_close_twice)
{
	for (int i = 0; i < 20; i++) {
		int fds[2 * CHANNELS], n;
		struct raw p;

		raw_connect(&p, &a->wish);
		n = files_of(&p, fds);
		for (int k = 0; k < n; k++) {
			fds[k] = dup(fds[k]);
			REQUIRE_EQ(ftruncate(fds[k], 0), 0);
		}
		raw_hang_up(&p);
		for (int k = 0; k < n; k++) {
			REQUIRE_EQ(ftruncate(fds[k], 100000), 0);
			REQUIRE_EQ(ftruncate(fds[k], 0), 0);
			close(fds[k]);
		}
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* One file alone, one after the other: the rest of the memory is as it was. */
ATTACK(one_file_truncated)
{
	for (int which = 0; which < 2 * CHANNELS; which++) {
		int fds[2 * CHANNELS];
		struct raw p;

		raw_connect(&p, &a->wish);
		if (which >= files_of(&p, fds)) {
			raw_close(&p);
			break;
		}
		REQUIRE_EQ(ftruncate(fds[which], 0), 0);
		provoke(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* -- The directory ----------------------------------------------------------------- */

struct place {
	char dir[128];
	char names[2 * CHANNELS][128];
	int n;
};

/* Where the files of a connection are, and what they are called there. */
static void place_find(struct raw *p, struct place *place)
{
	const char *path = p->type == WIRE_MEMORY ? p->ring[0].path[0] : p->welcome.request;
	struct dirent *e;
	DIR *d;

	snprintf(place->dir, sizeof(place->dir), "%.*s", (int)(strrchr(path, '/') - path),
		 path);
	place->n = 0;
	d = opendir(place->dir);
	REQUIRE(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && place->n < 2 * CHANNELS)
			snprintf(place->names[place->n++], 128, "%.127s", e->d_name);
	closedir(d);
	REQUIRE(place->n > 0);
}

static void place_remove(const char *dir)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

/*
 * The directory goes elsewhere, and its name leads to another one, which has files of
 * the same names. They are not the server's to remove.
 */
static void place_swapped(struct arena *a, bool by_link)
{
	char moved[160], victim[160], path[400];
	struct place place;
	struct raw p;

	working_connect(a, &p);
	place_find(&p, &place);
	snprintf(moved, sizeof(moved), "%s-moved", place.dir);
	snprintf(victim, sizeof(victim), "%s-victim", place.dir);
	REQUIRE_EQ(rename(place.dir, moved), 0);
	REQUIRE_EQ(mkdir(by_link ? victim : place.dir, 0700), 0);
	if (by_link)
		REQUIRE_EQ(symlink(victim, place.dir), 0);
	for (int i = 0; i < place.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", place.dir, place.names[i]);
		close(open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	}
	raw_hang_up(&p);
	arena_honest_goes_on(a);
	arena_honest_goes_on(a);
	for (int i = 0; i < place.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", place.dir, place.names[i]);
		REQUIRE_MSG(access(path, F_OK) == 0, "the server removed %s", path);
	}
	place_remove(place.dir);
	if (by_link) {
		place_remove(victim);
		unlink(place.dir);
	}
	place_remove(moved);
	raw_close(&p);
}

ATTACK(directory_replaced_by_a_link)
{
	place_swapped(a, true);
}

ATTACK(directory_replaced_by_another)
{
	place_swapped(a, false);
}

/* The files are links elsewhere, or directories: the names go, and nothing else. */
ATTACK(files_replaced_by_links_and_directories)
{
	char path[400], victim[64];
	struct place place;
	struct raw p;

	snprintf(victim, sizeof(victim), "/tmp/qbt-victim-%d", (int)getpid());
	close(open(victim, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	working_connect(a, &p);
	place_find(&p, &place);
	for (int i = 0; i < place.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", place.dir, place.names[i]);
		REQUIRE_EQ(unlink(path), 0);
		if (i % 2)
			REQUIRE_EQ(mkdir(path, 0700), 0);
		else
			REQUIRE_EQ(symlink(victim, path), 0);
	}
	raw_hang_up(&p);
	arena_honest_goes_on(a);
	REQUIRE_EQ(access(victim, F_OK), 0);
	unlink(victim);
	for (int i = 0; i < place.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", place.dir, place.names[i]);
		(void)rmdir(path);
		(void)unlink(path);
	}
	(void)rmdir(place.dir);
	raw_close(&p);
}

/* What the client put there is the client's; the server does not walk what it finds. */
ATTACK(directory_filled_with_files)
{
	struct place place;
	char path[400];
	struct raw p;

	working_connect(a, &p);
	place_find(&p, &place);
	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "%s/%d", place.dir, i);
		close(open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	}
	raw_hang_up(&p);
	arena_honest_goes_on(a);
	REQUIRE_EQ(access(path, F_OK), 0);
	place_remove(place.dir);
	raw_close(&p);
}

/*
 * No rights left on anything: the server's are enough. Without root its rights are those
 * of the one who took them away, who could as well leave files of his own.
 */
ATTACK(modes_taken_away, .needs = "root: rights that modes do not give")
{
	char path[400];
	struct place place;
	struct raw p;

	working_connect(a, &p);
	place_find(&p, &place);
	for (int i = 0; i < place.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", place.dir, place.names[i]);
		REQUIRE_EQ(chmod(path, 0), 0);
	}
	REQUIRE_EQ(chmod(place.dir, 0), 0);
	raw_hang_up(&p);
	AWAIT(access(place.dir, F_OK) < 0 && errno == ENOENT);
	arena_honest_goes_on(a);
	raw_close(&p);
}

int main(void)
{
	Suite *s = suite_create("hostile: files");
	TCase *tc = tcase_new(s, "truncated");

	add_attack(tc, files_truncated_before_use, ON_QB);
	add_attack(tc, files_truncated_with_requests_in_them, ON_QB);
	add_attack(tc, files_truncated_and_grown_all_the_time, ON_QB);
	add_attack(tc, files_truncated_at_close_twice, ON_QB);
	add_attack(tc, one_file_truncated, ON_QB);

	tc = tcase_new(s, "moved and replaced");
	add_attack(tc, directory_replaced_by_a_link, ON_QB);
	add_attack(tc, directory_replaced_by_another, ON_QB);
	add_attack(tc, files_replaced_by_links_and_directories, ON_QB);
	add_attack(tc, directory_filled_with_files, ON_QB);
	add_attack(tc, modes_taken_away, ON_QB);
	return arena_main(s);
}
