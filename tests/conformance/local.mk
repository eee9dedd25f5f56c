# Each suite is one source, built twice: against this library for make check, and on
# demand against libqb (make conformance-libqb) to look where the two differ.
conformance_suites = \
	tests/conformance/backpressure \
	tests/conformance/client-connect \
	tests/conformance/client-in-turn \
	tests/conformance/client-leaves \
	tests/conformance/client-recv \
	tests/conformance/client-send \
	tests/conformance/client-state \
	tests/conformance/never-sent \
	tests/conformance/no-loop \
	tests/conformance/poll-contract \
	tests/conformance/server-callbacks \
	tests/conformance/server-dispatch \
	tests/conformance/server-flow \
	tests/conformance/server-lifetime \
	tests/conformance/server-request \
	tests/conformance/server-run \
	tests/conformance/server-send \
	tests/conformance/server-stats \
	tests/conformance/signals \
	tests/conformance/threads \
	tests/conformance/users-background \
	tests/conformance/users-cluster \
	tests/conformance/users-daemons \
	tests/conformance/users-habits
if HAVE_CHECK
check_PROGRAMS += $(conformance_suites)
endif

conformance_libqb_programs = $(conformance_suites:tests/conformance/%=tests/conformance/libqb-%)
CLEANFILES += $(conformance_libqb_programs)
tests/conformance/libqb-%: tests/conformance/%.o tests/lib/libtestlib.la
	$(AM_V_CCLD)$(LINK) $< tests/lib/libtestlib.la $(CHECK_LIBS) $(LIBQB_LIBS) -lpthread -ldl

# Differences are what this is for: it shows them and does not fail.
conformance-libqb: $(conformance_libqb_programs)
	@for p in $(conformance_libqb_programs); do \
		QBIPC_TEST_LENIENT=1 ./$$p || :; \
	done
.PHONY: conformance-libqb

# The native transport: what is promised only between two ends of this library.
native_suites = \
	tests/conformance/native-cost \
	tests/conformance/native-death \
	tests/conformance/native-users \
	tests/conformance/native-wakeups
if HAVE_CHECK
check_PROGRAMS += $(native_suites)
endif

# What a service puts up with.
limits_suites = \
	tests/conformance/accept-refused \
	tests/conformance/broken-pipe \
	tests/conformance/cancelled \
	tests/conformance/file-size \
	tests/conformance/forked \
	tests/conformance/limits-answers \
	tests/conformance/limits-connections \
	tests/conformance/limits-descriptors \
	tests/conformance/limits-handshakes \
	tests/conformance/small-stacks \
	tests/conformance/taken-over
limits_common = tests/conformance/limits.c
if HAVE_CHECK
check_PROGRAMS += $(limits_suites)
endif
tests_conformance_accept_refused_SOURCES = tests/conformance/accept-refused.c $(limits_common)
tests_conformance_file_size_SOURCES = tests/conformance/file-size.c $(limits_common)
tests_conformance_limits_answers_SOURCES = tests/conformance/limits-answers.c $(limits_common)
tests_conformance_limits_connections_SOURCES = tests/conformance/limits-connections.c $(limits_common)
tests_conformance_limits_descriptors_SOURCES = tests/conformance/limits-descriptors.c $(limits_common)
tests_conformance_limits_handshakes_SOURCES = tests/conformance/limits-handshakes.c $(limits_common)
tests_conformance_taken_over_SOURCES = tests/conformance/taken-over.c $(limits_common)

# Beyond libqb's interface.
events_suites = \
	tests/conformance/broadcast \
	tests/conformance/memory-lock \
	tests/conformance/writable
if HAVE_CHECK
check_PROGRAMS += $(events_suites)
endif

# Beyond libqb's interface: <qbipc/...>.
addition_suites = \
	tests/conformance/activation \
	tests/conformance/calls \
	tests/conformance/calls-threads \
	tests/conformance/deadlines \
	tests/conformance/connect-cancelled \
	tests/conformance/connect-timeout \
	tests/conformance/handlers \
	tests/conformance/handlers-refused \
	tests/conformance/loop-set \
	tests/conformance/misuse \
	tests/conformance/peer \
	tests/conformance/reserve \
	tests/conformance/reserve-others \
	tests/conformance/sized \
	tests/conformance/stopped-server \
	tests/conformance/bodies \
	tests/conformance/views \
	tests/conformance/views-client
if HAVE_CHECK
check_PROGRAMS += $(addition_suites)
endif
tests_conformance_bodies_SOURCES = tests/conformance/bodies.c $(limits_common)
calls_common = tests/conformance/calls-common.c
tests_conformance_calls_SOURCES = tests/conformance/calls.c $(calls_common)
tests_conformance_calls_threads_SOURCES = tests/conformance/calls-threads.c $(calls_common)
tests_conformance_deadlines_SOURCES = tests/conformance/deadlines.c $(calls_common)
