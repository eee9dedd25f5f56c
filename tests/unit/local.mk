# tests/unit

# The shared-memory layer: internal symbols, so linked with the objects.
ring_tests = \
	tests/unit/test-fault \
	tests/unit/test-foreign \
	tests/unit/test-monitors \
	tests/unit/test-mutex \
	tests/unit/test-end \
	tests/unit/test-reclaim \
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
tests_unit_test_fault_SOURCES = \
	tests/unit/test-fault.c tests/unit/test-fault-handlers.c tests/unit/test-fault-parts.c
tests_unit_test_ring_hostile_SOURCES = \
	tests/unit/test-ring-hostile.c tests/unit/test-ring-truncated.c
tests_unit_test_datagram_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=bind
tests_unit_test_monitors_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=send -Wl,--wrap=clock_gettime
tests_unit_test_end_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=madvise

# Their ring functions and nothing else of theirs, so which library comes first is no
# matter.
tests_unit_test_ring_libqb_CPPFLAGS = $(LIBQB_CFLAGS) $(AM_CPPFLAGS)
tests_unit_test_ring_libqb_LDADD = $(core_ldadd) $(LIBQB_LIBS)

# The loop.
loop_tests = \
	tests/unit/test-loop \
	tests/unit/test-loop-calls \
	tests/unit/test-loop-fds \
	tests/unit/test-loop-handlers \
	tests/unit/test-loop-jobs \
	tests/unit/test-loop-pace \
	tests/unit/test-loop-poll \
	tests/unit/test-loop-signals \
	tests/unit/test-loop-timers
if HAVE_CHECK
check_PROGRAMS += $(loop_tests)
endif
tests_unit_test_loop_calls_SOURCES = \
	tests/unit/test-loop-calls.c tests/unit/test-loop-wrap.c
tests_unit_test_loop_pace_SOURCES = \
	tests/unit/test-loop-pace.c tests/unit/test-loop-wrap.c
tests_unit_test_loop_calls_LDFLAGS = $(loop_wrap_ldflags)
tests_unit_test_loop_pace_LDFLAGS = $(loop_wrap_ldflags)
loop_wrap_ldflags = $(AM_LDFLAGS) \
	-Wl,--wrap=epoll_wait,--wrap=epoll_ctl,--wrap=epoll_create1,--wrap=eventfd \
	-Wl,--wrap=getrlimit \
	-Wl,--wrap=clock_gettime,--wrap=read,--wrap=write,--wrap=calloc,--wrap=realloc

# The native transport. The library of the tests uses the public functions.
native_tests = \
	tests/unit/test-access \
	tests/unit/test-arrivals \
	tests/unit/test-body-wakeups \
	tests/unit/test-busy-poll \
	tests/unit/test-cpus \
	tests/unit/test-lock \
	tests/unit/test-memory-lock \
	tests/unit/test-send-outcomes \
	tests/unit/test-server-awake \
	tests/unit/test-threads \
	tests/unit/test-turn \
	tests/unit/test-writable \
	tests/unit/test-native-ends \
	tests/unit/test-native-events \
	tests/unit/test-native-packets \
	tests/unit/test-native-region \
	tests/unit/test-native-loans \
	tests/unit/test-native-ring \
	tests/unit/test-native-ring-between \
	tests/unit/test-native-ring-hostile \
	tests/unit/test-native-ring-threads \
	tests/unit/test-native-requests \
	tests/unit/test-native-schedules
if HAVE_CHECK
check_PROGRAMS += $(native_tests)
endif
tests_unit_test_body_wakeups_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=send
tests_unit_test_send_outcomes_LDFLAGS = \
	$(AM_LDFLAGS) -Wl,--wrap=sendmsg,--wrap=send,--wrap=malloc
tests_unit_test_writable_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg
tests_unit_test_native_packets_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg

# Limits, and what is left by servers that were killed.
limits_tests = \
	tests/unit/test-cost \
	tests/unit/test-limits \
	tests/unit/test-shm-sweep
if HAVE_CHECK
check_PROGRAMS += $(limits_tests)
endif
tests_unit_test_cost_SOURCES = tests/unit/test-cost.c tests/lib/pump.c tests/lib/pump.h
tests_unit_test_cost_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getsockopt
