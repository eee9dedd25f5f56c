# tests/bench: `make bench` measures both libraries side by side. The tests are of the bench:
# that it runs, and computes right; not of what it measures.
# BENCHFLAGS goes to the driver, for instance BENCHFLAGS="--quick --rows 'roundtrip*'".
bench_peer_sources = \
	tests/bench/peer.h \
	tests/bench/peer.c \
	tests/bench/server.c \
	tests/bench/process.c \
	tests/bench/place.h \
	tests/bench/place.c \
	tests/bench/figures.h \
	tests/bench/figures.c \
	tools/measure/histogram.h \
	tools/measure/histogram.c \
	tests/bench/call.c \
	tests/bench/loop.h \
	tests/bench/loop-builtin.c \
	tests/bench/loop-poll.c \
	tests/bench/rows.c \
	tests/bench/rows-paced.c \
	tests/bench/rows-waiting.c \
	tests/bench/lend.h \
	tests/bench/rows-lent.c \
	tests/bench/rows-messages.c \
	tests/bench/rows-connections.c

EXTRA_PROGRAMS += \
	tests/bench/bodies \
	tests/bench/floor \
	tests/bench/peer-qbipc \
	tests/bench/peer-libqb

# Beside the same bytes in messages that the application divides and joins itself.
tests_bench_bodies_SOURCES = tests/bench/bodies.c
tests_bench_bodies_LDADD = lib/libqbipc.la

tests_bench_floor_SOURCES = \
	tests/bench/figures.c \
	tests/bench/floor.c \
	tests/bench/place.c \
	tools/measure/histogram.c
tests_bench_floor_LDADD =

tests_bench_peer_qbipc_SOURCES = $(bench_peer_sources)
tests_bench_peer_qbipc_LDADD = lib/libqbipc.la
# No wrapper script: the peers execute each other.
tests_bench_peer_qbipc_LDFLAGS = $(AM_LDFLAGS) -no-install

# The same source without our headers in the search path.
tests_bench_peer_libqb_SOURCES = $(bench_peer_sources)
tests_bench_peer_libqb_CPPFLAGS = $(LIBQB_CFLAGS)
tests_bench_peer_libqb_LDADD = $(LIBQB_LIBS)

# Servers in the loops that have an adapter, made of what its tests are made of.
bench_adapter_sources = \
	tests/bench/figures.c \
	tests/bench/loop-adapter.c \
	tests/bench/place.c \
	tests/bench/process.c \
	tests/bench/server.c \
	tools/measure/histogram.c
bench_adapter_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
bench_adapter_ldflags = $(AM_LDFLAGS) -no-install

if HAVE_CHECK
bench_adapters = tests/bench/peer-qbipc-qb
if HAVE_GLIB
bench_adapters += tests/bench/peer-qbipc-glib
endif
if HAVE_LIBEV
bench_adapters += tests/bench/peer-qbipc-libev
endif
if HAVE_LIBEVENT
bench_adapters += tests/bench/peer-qbipc-libevent
endif
if HAVE_LIBUV
bench_adapters += tests/bench/peer-qbipc-libuv
endif
if HAVE_LIBSYSTEMD
bench_adapters += tests/bench/peer-qbipc-sd-event
endif
endif
EXTRA_PROGRAMS += \
	tests/bench/peer-qbipc-glib \
	tests/bench/peer-qbipc-libev \
	tests/bench/peer-qbipc-libevent \
	tests/bench/peer-qbipc-libuv \
	tests/bench/peer-qbipc-sd-event \
	tests/bench/peer-qbipc-qb
tests_bench_peer_qbipc_qb_SOURCES = $(bench_adapter_sources) tests/adapters/loop-qb.c
tests_bench_peer_qbipc_qb_CPPFLAGS = $(bench_adapter_cppflags)
tests_bench_peer_qbipc_qb_LDADD = lib/libqbipc.la
tests_bench_peer_qbipc_qb_LDFLAGS = $(bench_adapter_ldflags)
tests_bench_peer_qbipc_glib_SOURCES = $(bench_adapter_sources) tests/adapters/loop-glib.c
tests_bench_peer_qbipc_glib_CPPFLAGS = $(bench_adapter_cppflags) $(GLIB_CFLAGS)
tests_bench_peer_qbipc_glib_LDADD = lib/libqbipc.la $(GLIB_LIBS)
tests_bench_peer_qbipc_glib_LDFLAGS = $(bench_adapter_ldflags)
tests_bench_peer_qbipc_libev_SOURCES = $(bench_adapter_sources) tests/adapters/loop-libev.c
tests_bench_peer_qbipc_libev_CPPFLAGS = $(bench_adapter_cppflags) $(LIBEV_CFLAGS)
tests_bench_peer_qbipc_libev_LDADD = lib/libqbipc.la $(LIBEV_LIBS)
tests_bench_peer_qbipc_libev_LDFLAGS = $(bench_adapter_ldflags)
tests_bench_peer_qbipc_libevent_SOURCES = $(bench_adapter_sources) tests/adapters/loop-libevent.c
tests_bench_peer_qbipc_libevent_CPPFLAGS = $(bench_adapter_cppflags) $(LIBEVENT_CFLAGS)
tests_bench_peer_qbipc_libevent_LDADD = lib/libqbipc.la $(LIBEVENT_LIBS)
tests_bench_peer_qbipc_libevent_LDFLAGS = $(bench_adapter_ldflags)
tests_bench_peer_qbipc_libuv_SOURCES = $(bench_adapter_sources) tests/adapters/loop-libuv.c
tests_bench_peer_qbipc_libuv_CPPFLAGS = $(bench_adapter_cppflags) $(LIBUV_CFLAGS)
tests_bench_peer_qbipc_libuv_LDADD = lib/libqbipc.la $(LIBUV_LIBS)
tests_bench_peer_qbipc_libuv_LDFLAGS = $(bench_adapter_ldflags)
tests_bench_peer_qbipc_sd_event_SOURCES = $(bench_adapter_sources) tests/adapters/loop-sd-event.c
tests_bench_peer_qbipc_sd_event_CPPFLAGS = $(bench_adapter_cppflags) $(LIBSYSTEMD_CFLAGS)
tests_bench_peer_qbipc_sd_event_LDADD = lib/libqbipc.la $(LIBSYSTEMD_LIBS)
tests_bench_peer_qbipc_sd_event_LDFLAGS = $(bench_adapter_ldflags)

CLEANFILES += \
	$(bench_adapters) \
	tests/bench/floor \
	tests/bench/peer-qbipc \
	tests/bench/peer-libqb \
	tests/bench/others.d/* \
	tests/bench/curves.d/*
EXTRA_DIST += \
	tests/bench/bench.sh \
	tests/bench/corosync/bench.sh \
	tests/bench/corosync/inside.sh \
	tests/bench/corosync/load.c \
	tests/bench/bounds \
	tests/bench/bounds.awk \
	tests/bench/figures.awk \
	tests/bench/report.awk \
	tests/bench/curves.awk \
	tests/bench/others/build.sh \
	tests/bench/others/other.h \
	tests/bench/others/other.c \
	tests/bench/others/seqpacket.c \
	tests/bench/others/pipe.c \
	tests/bench/others/zeromq.c \
	tests/bench/others/nng.c \
	tests/bench/others/sd-bus.c \
	tests/bench/others/boost-queue.cc

if HAVE_LIBQB
bench_libqb = tests/bench/peer-libqb
endif

bench_scripts = \
	tests/bench/test-report \
	tests/bench/test-rows
dist_check_SCRIPTS += $(bench_scripts)
TESTS += $(bench_scripts)
# What they look at.
check_DATA = tests/bench/floor tests/bench/peer-qbipc $(bench_adapters) $(bench_libqb)

.PHONY: bench bench-corosync bench-curves
bench: tests/bench/floor tests/bench/peer-qbipc $(bench_adapters) $(bench_libqb)
	@$(MKDIR_P) tests/bench/others.d
	@CC='$(CC)' CXX='$(CXX)' $(SHELL) $(srcdir)/tests/bench/others/build.sh \
		tests/bench/others.d >tests/bench/others.d/list
	@$(SHELL) $(srcdir)/tests/bench/bench.sh $(bench_libqb:%=--libqb ./%) \
		--qbipc ./tests/bench/peer-qbipc --floor ./tests/bench/floor \
		--others tests/bench/others.d/list $(BENCHFLAGS)

# corosync as it is installed, as root; BENCHFLAGS="--quick" and so on.
bench-corosync: lib/libqbipc.la
	@CC='$(CC)' QBIPC_LIBRARY=lib/.libs/libqbipc.so.0 \
		$(SHELL) $(srcdir)/tests/bench/corosync/bench.sh $(BENCHFLAGS)

# About two minutes. The drawings go to CURVES_DIR; those in docs/ come from a machine
# that does nothing else: make bench-curves CURVES_DIR=$(srcdir)/docs
CURVES_DIR = tests/bench/curves.d

bench-curves: tests/bench/peer-qbipc $(bench_libqb)
	@$(SHELL) $(srcdir)/tests/bench/bench.sh $(bench_libqb:%=--libqb ./%) \
		--qbipc ./tests/bench/peer-qbipc --runs 7 --curves $(CURVES_DIR) \
		$(BENCHFLAGS)
