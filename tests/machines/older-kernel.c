/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a program on a kernel that knows no system call younger than Linux 4.18: they all
 * end with ENOSYS, in the program and in whatever it starts.
 *
 * usage: older-kernel PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first number that came after 4.18. Each architecture left some free before 424, from
 * where on all have the same. */
#if defined(__x86_64__)
enum { ARCHITECTURE = AUDIT_ARCH_X86_64, YOUNGER = 335 };
#elif defined(__aarch64__)
enum { ARCHITECTURE = AUDIT_ARCH_AARCH64, YOUNGER = 294 };
#elif defined(__s390x__)
enum { ARCHITECTURE = AUDIT_ARCH_S390X, YOUNGER = 383 };
#elif defined(__powerpc64__)
enum { ARCHITECTURE = AUDIT_ARCH_PPC64LE, YOUNGER = 389 };
#else
enum { ARCHITECTURE = 0, YOUNGER = 424 };
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static int refuse(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, YOUNGER, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: older-kernel PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	/* 77 is "skipped". */
	if (ARCHITECTURE == 0 || refuse() < 0) {
		fprintf(stderr, "older-kernel: %s\n",
			ARCHITECTURE ? strerror(errno) : "not on this architecture");
		return 77;
	}
	/* pidfd_open, of 5.3: is it refused? */
	if (syscall(434, getpid(), 0) >= 0 || errno != ENOSYS) {
		fprintf(stderr, "older-kernel: the filter does not refuse\n");
		return 1;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "older-kernel: %s: %s\n", argv[1], strerror(errno));
	return 1;
}
