/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqb's wire: a false server names files that are not what a client should open. The
 * client says no, and what was named is afterwards as it was before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

/* The one that is opened last of those with a name in the answer. */
static char *named(struct truth *t)
{
	return t->mine.type == WIRE_MEMORY ? t->welcome.event : t->welcome.request;
}

/* The file behind it that is opened: of a ring the data. */
static void file_of(struct truth *t, char *path, size_t size)
{
	snprintf(path, size, "%.300s%s", named(t), t->mine.type == WIRE_MEMORY ? "-data" : "");
}

/* -- Names elsewhere ------------------------------------------------------------------- */

enum { PLACES = 9 };

static void lie_about_the_place(struct truth *t, unsigned int which)
{
	char *name = named(t);
	char copy[WIRE_NAME];

	memcpy(copy, name, WIRE_NAME);
	switch (which) {
	case 0: strcpy(name, "/etc/passwd"); break;
	case 1: strcpy(name, "../../etc/passwd"); break;
	case 2: strcpy(name, "/dev/shm/../../etc/passwd"); break;
	case 3: snprintf(name, WIRE_NAME, "/dev/shm/./%.200s", copy + 9); break;
	case 4: snprintf(name, WIRE_NAME, "%.200s/../qb-x", copy); break;
	case 5: snprintf(name, WIRE_NAME, "/proc/self/root%.200s", copy); break;
	case 6: name[0] = '\0'; break;
	case 7: strcpy(name, "/dev/shm/qb-none/qb-none"); break;
	default:
		memset(name, 'a', WIRE_NAME - 1);
		name[WIRE_NAME - 1] = '\0';
		break;
	}
	truth_send(t);
}

START_TEST(names_elsewhere_are_refused)
{
	for (unsigned int i = 0; i < PLACES; i++)
		client_must_be_refused(_i, lie_about_the_place, i);
}
END_TEST

/* -- Files of another kind --------------------------------------------------------------- */

static void socket_make(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	REQUIRE_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

enum { KINDS = 8 };

static void lie_about_the_kind(struct truth *t, unsigned int which)
{
	char path[400], other[420], dir[200];

	file_of(t, path, sizeof(path));
	snprintf(other, sizeof(other), "%s-moved", path);
	snprintf(dir, sizeof(dir), "%s-moved", t->dir);
	REQUIRE_EQ(rename(path, other), 0);
	switch (which) {
	case 0: REQUIRE_EQ(symlink(other, path), 0); break;
	case 1: REQUIRE_EQ(link(other, path), 0); break;
	case 2: REQUIRE_EQ(mkfifo(path, 0666), 0); break;
	case 3: REQUIRE_EQ(mkdir(path, 0777), 0); break;
	case 4: REQUIRE_EQ(symlink("/dev/zero", path), 0); break;
	case 5: socket_make(path); break;
	case 6: break; /* nothing there */
	default:       /* the directory is a link to the true one */
		REQUIRE_EQ(rename(other, path), 0);
		REQUIRE_EQ(rename(t->dir, dir), 0);
		REQUIRE_EQ(symlink(dir, t->dir), 0);
	}
	truth_send(t);
	if (which == KINDS - 1) {
		AWAIT(truth_client_left(t));
		REQUIRE_EQ(unlink(t->dir), 0);
		REQUIRE_EQ(rename(dir, t->dir), 0);
	}
}

START_TEST(links_devices_fifos_and_directories_are_refused)
{
	for (unsigned int i = 0; i < KINDS; i++)
		client_must_be_refused(_i, lie_about_the_kind, i);
}
END_TEST

/* -- Sizes and headers --------------------------------------------------------------------- */

static void lie_about_the_size(struct truth *t, unsigned int which)
{
	static const off_t lengths[] = { 0, 1, 23, 4096, 8192, 1 << 20 };
	char path[400];

	file_of(t, path, sizeof(path));
	REQUIRE_EQ(truncate(path, lengths[which]), 0);
	truth_send(t);
	AWAIT(truth_client_left(t));
	/* The client does not make it what it should be. */
	struct stat st;

	REQUIRE_EQ(stat(path, &st), 0);
	REQUIRE_EQ(st.st_size, lengths[which]);
}

START_TEST(files_of_another_size_are_refused_and_not_resized)
{
	for (unsigned int i = 0; i < 6; i++)
		client_must_be_refused(_i, lie_about_the_size, i);
}
END_TEST

static void lie_about_the_header(struct truth *t, unsigned int which)
{
	static const struct {
		size_t word;
		uint32_t value;
	} lies[] = { { QB_WORDS, 0 },	   { QB_WORDS, 1 },	     { QB_WORDS, UINT32_MAX },
		     { QB_WRITE, 4096 },   { QB_WRITE, UINT32_MAX }, { QB_READ, 4096 },
		     { QB_READ, 1u << 31 } };

	put_u32(t->mine.ring[EVENT].words + lies[which].word, lies[which].value);
	truth_send(t);
}

START_TEST(headers_that_contradict_the_files_are_refused)
{
	for (unsigned int i = 0; i < 7; i++)
		client_must_be_refused(_i, lie_about_the_header, i);
}
END_TEST

/* -- Somebody's private file ----------------------------------------------------------------- */

enum { SECRET_SIZE = 16384 };

/* Of the right size, in a place where such files lie, and not the server's. */
struct secret {
	char dir[64];
	char path[2][200];
	struct stat before[2];
};

static struct secret secret;

static void secret_make(int type)
{
	char bytes[SECRET_SIZE];

	memset(bytes, 's', sizeof(bytes));
	snprintf(secret.dir, sizeof(secret.dir), "/dev/shm/qb-secret-%d", (int)getpid());
	ck_assert_int_eq(mkdir(secret.dir, 0700), 0);
	for (int i = 0; i < 2; i++) {
		size_t size = type == QB_IPC_SOCKET ? QB_CONTROL_SIZE :
			      i			    ? sizeof(bytes) :
						      QB_HEADER_SIZE;
		int fd;

		snprintf(secret.path[i], sizeof(secret.path[i]),
			 "/dev/shm/qb-secret-%d/qb-secret%s", (int)getpid(),
			 i ? "-data" : "-header");
		fd = open(secret.path[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
		ck_assert_int_eq(fstat(fd, &secret.before[i]), 0);
		close(fd);
	}
}

static void secret_must_be_untouched(void)
{
	for (int i = 0; i < 2; i++) {
		int fd = open(secret.path[i], O_RDONLY | O_CLOEXEC);
		char bytes[SECRET_SIZE];
		struct stat st;
		ssize_t n;

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(st.st_size, secret.before[i].st_size);
		ck_assert_int_eq(st.st_mtim.tv_nsec, secret.before[i].st_mtim.tv_nsec);
		n = read(fd, bytes, sizeof(bytes));
		for (ssize_t at = 0; at < n; at++)
			ck_assert_int_eq(bytes[at], 's');
		close(fd);
	}
	unlink(secret.path[0]);
	unlink(secret.path[1]);
	ck_assert_int_eq(rmdir(secret.dir), 0);
}

static void lie_about_the_owner(struct truth *t, unsigned int which)
{
	bool memory = t->mine.type == WIRE_MEMORY;

	snprintf(named(t), WIRE_NAME, "%s/qb-secret%s", secret.dir, memory ? "" : "-data");
	truth_send(t);
}

/* The client may open it: it is root's, and so is the client. The server may not. */
START_TEST(private_file_of_somebody_else_is_left_alone)
{
	if (geteuid() != 0)
		return;
	secret_make(variants[_i].type);
	client_must_be_refused(_i, lie_about_the_owner, 0);
	secret_must_be_untouched();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: false files");
	TCase *tc = tcase_new(s, "files");

	add_attack(tc, names_elsewhere_are_refused, ON_QB);
	add_attack(tc, links_devices_fifos_and_directories_are_refused, ON_QB);
	add_attack(tc, files_of_another_size_are_refused_and_not_resized, ON_QB);
	add_attack(tc, headers_that_contradict_the_files_are_refused, ON_QB_MEMORY);
	add_attack(tc, private_file_of_somebody_else_is_left_alone, ON_QB);
	return arena_main(s);
}
