# tests/unit

# The shared-memory layer: internal symbols, so linked with the objects.
ring_tests = \
	tests/unit/test-fault \
	tests/unit/test-mutex \
	tests/unit/test-ring \
	tests/unit/test-ring-between \
	tests/unit/test-ring-hostile \
	tests/unit/test-ring-threads \
	tests/unit/test-ring-wait \
	tests/unit/test-shm-dir \
	tests/unit/test-shm-dir-peer \
	tests/unit/test-shm-mounts \
	tests/unit/test-datagram
ring_libqb_tests = tests/unit/test-ring-libqb
if HAVE_CHECK
check_PROGRAMS += $(ring_tests)
if HAVE_LIBQB
check_PROGRAMS += $(ring_libqb_tests)
endif
endif
dist_check_SCRIPTS += tests/unit/test-ring-labels tests/unit/test-shared-access
TESTS += tests/unit/test-ring-labels tests/unit/test-shared-access
ring_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
ring_ldadd = lib/libqbipc-core.la tests/lib/libtestlib.la $(CHECK_LIBS) -lpthread

tests_unit_test_mutex_SOURCES = tests/unit/test-mutex.c
tests_unit_test_mutex_CFLAGS = $(ring_cflags)
tests_unit_test_mutex_LDADD = $(ring_ldadd)
tests_unit_test_fault_SOURCES = tests/unit/test-fault.c tests/unit/test-fault.h \
	tests/unit/test-fault-handlers.c tests/unit/test-fault-parts.c
tests_unit_test_fault_CFLAGS = $(ring_cflags)
tests_unit_test_fault_LDADD = $(ring_ldadd)

tests_unit_test_ring_SOURCES = tests/unit/test-ring.c \
	tests/unit/test-ring-pair.h
tests_unit_test_ring_CFLAGS = $(ring_cflags)
tests_unit_test_ring_LDADD = $(ring_ldadd)

tests_unit_test_ring_between_SOURCES = tests/unit/test-ring-between.c \
	tests/lib/peer-script.h tests/unit/test-ring-pair.h
tests_unit_test_ring_between_CFLAGS = $(ring_cflags)
tests_unit_test_ring_between_LDADD = $(ring_ldadd)

tests_unit_test_ring_hostile_SOURCES = tests/unit/test-ring-hostile.c \
	tests/unit/test-ring-hostile.h tests/unit/test-ring-pair.h \
	tests/unit/test-ring-truncated.c
tests_unit_test_ring_hostile_CFLAGS = $(ring_cflags)
tests_unit_test_ring_hostile_LDADD = $(ring_ldadd)

tests_unit_test_ring_threads_SOURCES = tests/unit/test-ring-threads.c \
	tests/unit/test-ring-pair.h
tests_unit_test_ring_threads_CFLAGS = $(ring_cflags)
tests_unit_test_ring_threads_LDADD = $(ring_ldadd)

tests_unit_test_ring_wait_SOURCES = tests/unit/test-ring-wait.c \
	tests/unit/test-ring-pair.h
tests_unit_test_ring_wait_CFLAGS = $(ring_cflags)
tests_unit_test_ring_wait_LDADD = $(ring_ldadd)

tests_unit_test_shm_dir_SOURCES = tests/unit/test-shm-dir.c
tests_unit_test_shm_dir_CFLAGS = $(ring_cflags)
tests_unit_test_shm_dir_LDADD = $(ring_ldadd)

tests_unit_test_shm_dir_peer_SOURCES = tests/unit/test-shm-dir-peer.c
tests_unit_test_shm_dir_peer_CFLAGS = $(ring_cflags)
tests_unit_test_shm_dir_peer_LDADD = $(ring_ldadd)

tests_unit_test_shm_mounts_SOURCES = tests/unit/test-shm-mounts.c
tests_unit_test_shm_mounts_CFLAGS = $(ring_cflags)
tests_unit_test_shm_mounts_LDADD = $(ring_ldadd)

tests_unit_test_datagram_SOURCES = tests/unit/test-datagram.c
tests_unit_test_datagram_CFLAGS = $(ring_cflags)
tests_unit_test_datagram_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=bind
tests_unit_test_datagram_LDADD = $(ring_ldadd)

# Their ring functions and nothing else of theirs, so which library comes first is no
# matter.
tests_unit_test_ring_libqb_SOURCES = tests/unit/test-ring-libqb.c \
	tests/unit/test-ring-pair.h
tests_unit_test_ring_libqb_CPPFLAGS = $(LIBQB_CFLAGS) $(AM_CPPFLAGS)
tests_unit_test_ring_libqb_CFLAGS = $(ring_cflags)
tests_unit_test_ring_libqb_LDADD = $(ring_ldadd) $(LIBQB_LIBS)

# The loop.
loop_tests = \
	tests/unit/test-loop \
	tests/unit/test-loop-calls \
	tests/unit/test-loop-fds \
	tests/unit/test-loop-handlers \
	tests/unit/test-loop-jobs \
	tests/unit/test-loop-poll \
	tests/unit/test-loop-signals \
	tests/unit/test-loop-timers
if HAVE_CHECK
check_PROGRAMS += $(loop_tests)
endif
loop_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
loop_ldadd = lib/libqbipc-core.la tests/lib/libtestlib.la $(CHECK_LIBS) -lpthread

tests_unit_test_loop_SOURCES = tests/unit/test-loop.c tests/unit/test-loop.h \
	tests/unit/test-loop-trace.h
tests_unit_test_loop_CFLAGS = $(loop_cflags)
tests_unit_test_loop_LDADD = $(loop_ldadd)

tests_unit_test_loop_calls_SOURCES = tests/unit/test-loop-calls.c \
	tests/unit/test-loop-wrap.c tests/unit/test-loop-wrap.h tests/unit/test-loop.h
tests_unit_test_loop_calls_CFLAGS = $(loop_cflags)
tests_unit_test_loop_calls_LDADD = $(loop_ldadd)
tests_unit_test_loop_calls_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=epoll_wait,--wrap=epoll_ctl,--wrap=epoll_create1,--wrap=eventfd \
	-Wl,--wrap=getrlimit \
	-Wl,--wrap=clock_gettime,--wrap=read,--wrap=write,--wrap=calloc,--wrap=realloc

tests_unit_test_loop_fds_SOURCES = tests/unit/test-loop-fds.c \
	tests/unit/test-loop-poll.h tests/unit/test-loop.h
tests_unit_test_loop_fds_CFLAGS = $(loop_cflags)
tests_unit_test_loop_fds_LDADD = $(loop_ldadd)

tests_unit_test_loop_handlers_SOURCES = tests/unit/test-loop-handlers.c \
	tests/unit/test-loop-signals.h tests/unit/test-loop.h
tests_unit_test_loop_handlers_CFLAGS = $(loop_cflags)
tests_unit_test_loop_handlers_LDADD = $(loop_ldadd)

tests_unit_test_loop_jobs_SOURCES = tests/unit/test-loop-jobs.c \
	tests/unit/test-loop-trace.h tests/unit/test-loop.h
tests_unit_test_loop_jobs_CFLAGS = $(loop_cflags)
tests_unit_test_loop_jobs_LDADD = $(loop_ldadd)

tests_unit_test_loop_poll_SOURCES = tests/unit/test-loop-poll.c \
	tests/unit/test-loop-poll.h tests/unit/test-loop.h
tests_unit_test_loop_poll_CFLAGS = $(loop_cflags)
tests_unit_test_loop_poll_LDADD = $(loop_ldadd)

tests_unit_test_loop_signals_SOURCES = tests/unit/test-loop-signals.c \
	tests/unit/test-loop-signals.h tests/unit/test-loop.h
tests_unit_test_loop_signals_CFLAGS = $(loop_cflags)
tests_unit_test_loop_signals_LDADD = $(loop_ldadd)

tests_unit_test_loop_timers_SOURCES = tests/unit/test-loop-timers.c tests/unit/test-loop.h
tests_unit_test_loop_timers_CFLAGS = $(loop_cflags)
tests_unit_test_loop_timers_LDADD = $(loop_ldadd)

# The native transport. The library of the tests uses the public functions.
native_cflags = $(ring_cflags)
native_ldadd = tests/lib/libtestlib.la lib/libqbipc-core.la $(CHECK_LIBS) -lpthread
native_tests = \
	tests/unit/test-access \
	tests/unit/test-cpus \
	tests/unit/test-lock \
	tests/unit/test-memory-lock \
	tests/unit/test-send-outcomes \
	tests/unit/test-threads \
	tests/unit/test-writable \
	tests/unit/test-native-ends \
	tests/unit/test-native-events \
	tests/unit/test-native-look \
	tests/unit/test-native-packets \
	tests/unit/test-native-region \
	tests/unit/test-native-ring \
	tests/unit/test-native-ring-between \
	tests/unit/test-native-ring-hostile \
	tests/unit/test-native-ring-threads \
	tests/unit/test-native-schedules
if HAVE_CHECK
check_PROGRAMS += $(native_tests)
endif

tests_unit_test_native_ring_SOURCES = tests/unit/test-native-ring.c \
	tests/unit/test-native-pair.h
tests_unit_test_native_ring_CFLAGS = $(native_cflags)
tests_unit_test_native_ring_LDADD = $(native_ldadd)

tests_unit_test_native_ring_between_SOURCES = tests/unit/test-native-ring-between.c \
	tests/lib/peer-script.h tests/unit/test-native-pair.h
tests_unit_test_native_ring_between_CFLAGS = $(native_cflags)
tests_unit_test_native_ring_between_LDADD = $(native_ldadd)

tests_unit_test_native_ring_hostile_SOURCES = tests/unit/test-native-ring-hostile.c \
	tests/unit/test-native-pair.h
tests_unit_test_native_ring_hostile_CFLAGS = $(native_cflags)
tests_unit_test_native_ring_hostile_LDADD = $(native_ldadd)

tests_unit_test_native_ring_threads_SOURCES = tests/unit/test-native-ring-threads.c \
	tests/unit/test-native-pair.h
tests_unit_test_native_ring_threads_CFLAGS = $(native_cflags)
tests_unit_test_native_ring_threads_LDADD = $(native_ldadd)

tests_unit_test_access_SOURCES = tests/unit/test-access.c
tests_unit_test_access_CFLAGS = $(native_cflags)
tests_unit_test_access_LDADD = $(native_ldadd)

tests_unit_test_memory_lock_SOURCES = tests/unit/test-memory-lock.c
tests_unit_test_memory_lock_CFLAGS = $(native_cflags)
tests_unit_test_memory_lock_LDADD = $(native_ldadd)

tests_unit_test_threads_SOURCES = tests/unit/test-threads.c
tests_unit_test_threads_CFLAGS = $(native_cflags)
tests_unit_test_threads_LDADD = $(native_ldadd)

tests_unit_test_send_outcomes_SOURCES = tests/unit/test-send-outcomes.c
tests_unit_test_send_outcomes_CFLAGS = $(native_cflags)
tests_unit_test_send_outcomes_LDADD = $(native_ldadd)
tests_unit_test_send_outcomes_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg,--wrap=malloc

tests_unit_test_writable_SOURCES = tests/unit/test-writable.c
tests_unit_test_writable_CFLAGS = $(native_cflags)
tests_unit_test_writable_LDADD = $(native_ldadd)
tests_unit_test_writable_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg

tests_unit_test_lock_SOURCES = tests/unit/test-lock.c
tests_unit_test_lock_CFLAGS = $(native_cflags)
tests_unit_test_lock_LDADD = $(native_ldadd)

tests_unit_test_cpus_SOURCES = tests/unit/test-cpus.c
tests_unit_test_cpus_CFLAGS = $(native_cflags)
tests_unit_test_cpus_LDADD = $(native_ldadd)

tests_unit_test_native_look_SOURCES = tests/unit/test-native-look.c
tests_unit_test_native_look_CFLAGS = $(native_cflags)
tests_unit_test_native_look_LDADD = $(native_ldadd)

tests_unit_test_native_packets_SOURCES = tests/unit/test-native-packets.c
tests_unit_test_native_packets_CFLAGS = $(native_cflags)
tests_unit_test_native_packets_LDADD = $(native_ldadd)
tests_unit_test_native_packets_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg

tests_unit_test_native_region_SOURCES = tests/unit/test-native-region.c \
	tests/unit/test-native-pair.h
tests_unit_test_native_region_CFLAGS = $(native_cflags)
tests_unit_test_native_region_LDADD = $(native_ldadd)

tests_unit_test_native_ends_SOURCES = tests/unit/test-native-ends.c \
	tests/unit/test-native-ends.h
tests_unit_test_native_ends_CFLAGS = $(native_cflags)
tests_unit_test_native_ends_LDADD = $(native_ldadd)

tests_unit_test_native_events_SOURCES = tests/unit/test-native-events.c \
	tests/unit/test-native-ends.h
tests_unit_test_native_events_CFLAGS = $(native_cflags)
tests_unit_test_native_events_LDADD = $(native_ldadd)

tests_unit_test_native_schedules_SOURCES = tests/unit/test-native-schedules.c \
	tests/unit/test-native-ends.h
tests_unit_test_native_schedules_CFLAGS = $(native_cflags)
tests_unit_test_native_schedules_LDADD = $(native_ldadd)

# Limits, and what is left by servers that were killed.
limits_tests = \
	tests/unit/test-limits \
	tests/unit/test-shm-sweep
if HAVE_CHECK
check_PROGRAMS += $(limits_tests)
endif
tests_unit_test_limits_SOURCES = tests/unit/test-limits.c
tests_unit_test_limits_CFLAGS = $(native_cflags)
tests_unit_test_limits_LDADD = $(native_ldadd)

tests_unit_test_shm_sweep_SOURCES = tests/unit/test-shm-sweep.c
tests_unit_test_shm_sweep_CFLAGS = $(native_cflags)
tests_unit_test_shm_sweep_LDADD = $(native_ldadd)
