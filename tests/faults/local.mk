# The n-th call fails. Two programs of one source, so that they run side by side.
faults_tests = tests/faults/test-faults-client tests/faults/test-faults-server
if HAVE_CHECK
check_PROGRAMS += $(faults_tests)
endif

faults_scripts = tests/faults/test-wrapped
dist_check_SCRIPTS += $(faults_scripts)
TESTS += $(faults_scripts)

# What fails on demand: tests/faults/inject.c has a function for each.
faults_wrapped = accept4 bind chmod clock_gettime close connect epoll_create1 epoll_ctl fchmod fchown \
	fcntl fstat fstatat fstatfs ftruncate getrandom getsockname getsockopt ioctl listen madvise \
	memfd_create mkdtemp mlock2 mmap mprotect mremap open openat __openat_2 opendir poll __poll_chk posix_fallocate read \
	__read_chk recv __recv_chk recvmsg send sendmsg setsockopt shutdown socket stat \
	socketpair statx syscall timerfd_create \
	asprintf __asprintf_chk calloc free malloc realloc strdup strndup
faults_sources = tests/faults/test-faults.c tests/faults/inject.c tests/faults/inject.h \
	tests/lib/pump.c tests/lib/pump.h
faults_ldflags = $(AM_LDFLAGS) $(faults_wrapped:%=-Wl,--wrap=%)

tests_faults_test_faults_client_SOURCES = $(faults_sources)
tests_faults_test_faults_client_CPPFLAGS = $(AM_CPPFLAGS) -DFAULTS_END='"client"'
tests_faults_test_faults_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_faults_test_faults_client_LDFLAGS = $(faults_ldflags)
tests_faults_test_faults_client_LDADD = $(core_ldadd)

tests_faults_test_faults_server_SOURCES = $(faults_sources)
tests_faults_test_faults_server_CPPFLAGS = $(AM_CPPFLAGS) -DFAULTS_END='"server"'
tests_faults_test_faults_server_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_faults_test_faults_server_LDFLAGS = $(faults_ldflags)
tests_faults_test_faults_server_LDADD = $(core_ldadd)
