/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mappings that fault, and an application with SIGBUS handlers of its own. */
#ifndef TEST_FAULT_H
#define TEST_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>

#include <check.h>

#include "ring/mapping.h"

/* A multiple of the page of every machine. */
enum { PAGE = 64 * 1024, SIZE = 4 * PAGE, APP_ALTSTACK = 64 * 1024 };

/* A file whose pages can be taken away, and its guarded mapping. */
struct victim {
	int fd;
	struct qbi_mapping map;
	volatile unsigned char *bytes;
};

/* Open in every case; tcase_fault() has it in its fixture. */
extern struct victim v;

void victim_open(struct victim *x);
void victim_close(struct victim *x);
void victim_truncate(struct victim *x);
/* Touch the guarded mapping; true if it was there. */
bool victim_touch(struct victim *x, size_t at);
void victim_must_survive(struct victim *x);

/* What the application's handlers saw. */
extern volatile sig_atomic_t app_faults, other_faults;
extern volatile sig_atomic_t app_saw_mask, app_saw_address, app_saw_altstack;
extern struct sigaction app_found; /* what was there when the handler was set */
extern char app_altstack[APP_ALTSTACK];

/* A fault of the application's own, which its handlers repair. */
void app_fault(void);
void app_handler(int sig, siginfo_t *info, void *context);
void app_plain_handler(int sig);
void other_handler(int sig);
/* Calls the one it found, as libraries with handlers of their own do. */
void app_chaining_handler(int sig, siginfo_t *info, void *context);
/* Steps aside for the one it found, as crash reporters do. */
void app_restoring_handler(int sig, siginfo_t *info, void *context);

void app_install(void (*fn)(int, siginfo_t *, void *), int flags);
void app_install_plain(void (*fn)(int));
void (*installed_handler(void))(int);

/* How a child ends that runs @fn with a guard in place. */
int child_end(void (*fn)(void));

#define ck_assert_killed_by_bus(status)                                                        \
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "wait status %#x",    \
		      (unsigned int)(status))
#define ck_assert_survived(status) ck_assert_int_eq(status, 0)

TCase *tcase_fault(Suite *s, const char *name);
void add_handler_tests(Suite *s);

#endif
