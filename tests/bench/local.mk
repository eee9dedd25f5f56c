# tests/bench: `make bench` measures both libraries side by side; nothing here is a test.
# BENCHFLAGS goes to the driver, for instance BENCHFLAGS="--quick --rows 'roundtrip*'".
bench_peer_sources = \
	tests/bench/peer.h \
	tests/bench/peer.c \
	tests/bench/server.c \
	tests/bench/process.c \
	tests/bench/figures.c \
	tests/bench/call.c \
	tests/bench/rows-messages.c \
	tests/bench/rows-connections.c

EXTRA_PROGRAMS += tests/bench/peer-qbipc tests/bench/peer-libqb

tests_bench_peer_qbipc_SOURCES = $(bench_peer_sources)
tests_bench_peer_qbipc_LDADD = lib/libqbipc.la
# No wrapper script: the peers execute each other.
tests_bench_peer_qbipc_LDFLAGS = $(AM_LDFLAGS) -no-install

# The same source without our headers in the search path.
tests_bench_peer_libqb_SOURCES = $(bench_peer_sources)
tests_bench_peer_libqb_CPPFLAGS = $(LIBQB_CFLAGS)
tests_bench_peer_libqb_LDADD = $(LIBQB_LIBS)

CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += tests/bench/bench.sh tests/bench/report.awk

if HAVE_LIBQB
bench_libqb = tests/bench/peer-libqb
endif

.PHONY: bench
bench: tests/bench/peer-qbipc $(bench_libqb)
	$(SHELL) $(srcdir)/tests/bench/bench.sh \
		$(bench_libqb:%=--libqb ./%) --qbipc ./tests/bench/peer-qbipc $(BENCHFLAGS)
