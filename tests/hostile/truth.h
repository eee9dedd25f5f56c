/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an honest server makes for a client, by hand: between the files of the false one. */
#ifndef HOSTILE_TRUTH_H
#define HOSTILE_TRUTH_H

#include "tests/hostile/false.h"

/* Fills all of @t that has to do with the offer. */
void truth_make(struct truth *t);
/* Gives everything back, the files too. */
void truth_end(struct truth *t);

/* The same for one that was killed, as far as files go. */
void truth_remove(pid_t server);

/* A memfd of @size bytes with these seals. */
int truth_memory(uint64_t size, int seals);
/* The same file, for reading. */
int truth_reopen(int fd);

/* F_SEAL_SHRINK, _GROW and _SEAL: <fcntl.h> is for those who make one. */
#define TRUTH_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#endif
