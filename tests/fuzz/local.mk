# Fuzz targets: docs/fuzzing.md. Configured with --enable-fuzzing they are for libFuzzer
# and built by "make fuzzers"; else each has a main that replays its corpus, and is one of
# the tests.
fuzz_targets = \
	tests/fuzz/fuzz-capture \
	tests/fuzz/fuzz-datagrams \
	tests/fuzz/fuzz-hello \
	tests/fuzz/fuzz-inquiry \
	tests/fuzz/fuzz-native-ring \
	tests/fuzz/fuzz-packets \
	tests/fuzz/fuzz-qb-ring \
	tests/fuzz/fuzz-server \
	tests/fuzz/fuzz-welcome
tests/fuzz/%: LDADD = lib/libqbipc-core.la -lpthread
fuzz_common = tests/fuzz/fuzz.h
fuzz_ends = tests/fuzz/ends.h tests/lib/pump.c tests/lib/pump.h
fuzz_rings = tests/fuzz/arena.h tests/lib/peer-script.h
# holding.c counts what goes through the first, hostile.c answers the last two.
fuzz_server_wrapped = asprintf __asprintf_chk calloc free malloc mmap munmap realloc strdup strndup \
	getsockopt qbi_reclaim_add
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/coverage.sh

if FUZZING
EXTRA_PROGRAMS += $(fuzz_targets)
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzzers: $(fuzz_targets)
else
check_PROGRAMS += $(fuzz_targets)
fuzz_ldflags = $(AM_LDFLAGS)
fuzz_common += tests/fuzz/replay.c
fuzzers:
	@echo 'configure with CC=clang --enable-fuzzing first' >&2; exit 1
endif
fuzz-coverage: $(fuzz_targets)
	srcdir='$(srcdir)' $(SHELL) '$(srcdir)/tests/fuzz/coverage.sh' $(FUZZ_TARGETS)
.PHONY: fuzzers fuzz-coverage

tests_fuzz_fuzz_capture_SOURCES = tests/fuzz/fuzz-capture.c tools/qbipc/capture.c \
	tools/qbipc/capture.h $(fuzz_common)
tests_fuzz_fuzz_capture_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_native_ring_SOURCES = tests/fuzz/fuzz-native-ring.c \
	$(fuzz_common) $(fuzz_rings)
tests_fuzz_fuzz_native_ring_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_qb_ring_SOURCES = tests/fuzz/fuzz-qb-ring.c \
	$(fuzz_common) $(fuzz_rings)
tests_fuzz_fuzz_qb_ring_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_hello_SOURCES = tests/fuzz/fuzz-hello.c $(fuzz_common) $(fuzz_ends)
tests_fuzz_fuzz_hello_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_inquiry_SOURCES = tests/fuzz/fuzz-inquiry.c tests/fuzz/ends.h $(fuzz_common)
tests_fuzz_fuzz_inquiry_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=send -Wl,--wrap=recvmsg
tests_fuzz_fuzz_datagrams_SOURCES = tests/fuzz/fuzz-datagrams.c tests/fuzz/ends.h $(fuzz_common)
tests_fuzz_fuzz_datagrams_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_packets_SOURCES = tests/fuzz/fuzz-packets.c $(fuzz_common)
tests_fuzz_fuzz_packets_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_server_SOURCES = tests/fuzz/fuzz-server.c $(fuzz_common) $(fuzz_ends) \
	tests/fuzz/holding.c tests/fuzz/holding.h tests/fuzz/hostile.c tests/fuzz/hostile.h \
	tests/fuzz/ledger.c tests/fuzz/ledger.h
tests_fuzz_fuzz_server_LDFLAGS = $(fuzz_ldflags) $(fuzz_server_wrapped:%=-Wl,--wrap=%)
tests_fuzz_fuzz_welcome_SOURCES = tests/fuzz/fuzz-welcome.c $(fuzz_common) \
	tests/fuzz/ends.h tests/fuzz/false-server.c tests/fuzz/false-server.h
tests_fuzz_fuzz_welcome_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=recvmsg
