/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/witness.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/stopwatch.h"

enum {
	NOTES = 256,
	BUSY_NS = 10 * 1000000, /* a few ticks of the scheduler */
	REST_NS = 90 * 1000000,
	SHORTLY_NS = 200 * 1000000, /* in which the witness may have rested */
};

static struct {
	_Atomic uint64_t begun; /* now busy since then; 0: it rests */
	_Atomic uint64_t n;
	struct {
		_Atomic uint64_t end;
		_Atomic uint64_t waited;
	} notes[NOTES];
	_Atomic uint64_t longest;
} * testimony;
static pid_t witness;

static void note(const struct lap *l)
{
	uint64_t n = atomic_load(&testimony->n);

	atomic_store(&testimony->notes[n % NOTES].waited, l->waited);
	atomic_store(&testimony->notes[n % NOTES].end, stopwatch_now());
	atomic_store(&testimony->n, n + 1);
	if (l->waited > atomic_load(&testimony->longest))
		atomic_store(&testimony->longest, l->waited);
}

static void witness_main(void)
{
	int account = stopwatch_account();
	struct stopwatch s;
	struct lap l;

	for (;;) {
		stopwatch_start(&s, account);
		atomic_store(&testimony->begun, s.wall);
		do
			l = stopwatch_read(&s, account);
		while (l.ran < BUSY_NS);
		note(&l);
		atomic_store(&testimony->begun, 0);
		nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
	}
}

void witness_begin(void)
{
	testimony = mmap(NULL, sizeof(*testimony), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (testimony == MAP_FAILED)
		abort();
	witness = fork();
	if (witness < 0)
		abort();
	if (witness > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	witness_main();
}

void witness_end(void)
{
	kill(witness, SIGKILL);
	waitpid(witness, NULL, 0);
	printf("# longest wait for a CPU on this machine: %llu us\n",
	       (unsigned long long)atomic_load(&testimony->longest) / 1000);
}

uint64_t witness_waited(uint64_t since)
{
	uint64_t longest = 0, begun, now = stopwatch_now();

	if (!testimony)
		return 0;
	since -= since < SHORTLY_NS ? since : SHORTLY_NS;
	for (int i = 0; i < NOTES; i++)
		if (atomic_load(&testimony->notes[i].end) >= since &&
		    atomic_load(&testimony->notes[i].waited) > longest)
			longest = atomic_load(&testimony->notes[i].waited);
	/* It may be waiting now. */
	begun = atomic_load(&testimony->begun);
	if (begun && now > begun + BUSY_NS && now - begun - BUSY_NS > longest)
		longest = now - begun - BUSY_NS;
	return longest;
}

void witness_dismiss(void)
{
	testimony = NULL;
}
