# All check_PROGRAMS are run by "make check"; a script adds itself to TESTS and to
# dist_check_SCRIPTS. What is only a helper is in EXTRA_PROGRAMS or check_LTLIBRARIES.
TESTS += $(check_PROGRAMS)

# A program without a line of its own is made of the source of its name, and linked to the
# library, or to its objects where it looks inside (unit) or needs the library of its
# folder (hostile).
public_ldadd = tests/lib/libtestlib.la lib/libqbipc.la $(CHECK_LIBS) -lpthread -ldl
core_ldadd = tests/lib/libtestlib.la lib/libqbipc-core.la $(CHECK_LIBS) -lpthread -ldl
hostile_ldadd = tests/hostile/libhostile.la $(public_ldadd)
LDADD = $(public_ldadd)
tests/unit/%: LDADD = $(core_ldadd)
tests/hostile/%: LDADD = $(hostile_ldadd)
$(hostile_suites): tests/hostile/libhostile.la
tests/%.o tests/%.lo: AM_CFLAGS += $(CHECK_CFLAGS)

# What scripts may ask for besides srcdir, which automake sets. See tests/tap.sh.
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; \
	CXX='$(CXX)'; export CXX; \
	DOXYGEN='$(DOXYGEN)'; export DOXYGEN; \
	PYTHON='$(PYTHON)'; export PYTHON; \
	MAKE='$(MAKE)'; export MAKE; \
	QBIPC_TEST_LIBRARY='$(abs_top_builddir)/lib/.libs/libqbipc.so.0'; \
	export QBIPC_TEST_LIBRARY; \
	LIBQB_HEADERS='$(LIBQB_HEADERS)'; export LIBQB_HEADERS; \
	LIBQB_LIBRARY='$(LIBQB_LIBRARY)'; export LIBQB_LIBRARY; \
	bindir='$(bindir)'; export bindir; \
	datadir='$(datadir)'; export datadir; \
	includedir='$(includedir)'; export includedir; \
	libdir='$(libdir)'; export libdir; \
	QBIPC_SANITIZER='$(QBIPC_SANITIZER)'; export QBIPC_SANITIZER; \
	QBIPC_TRACEPOINTS='$(QBIPC_TRACEPOINTS)'; export QBIPC_TRACEPOINTS; \
	$(results_environment)
EXTRA_DIST += tests/tap.sh

layers_scripts = tests/unit/test-layers
dist_check_SCRIPTS += $(layers_scripts)
TESTS += $(layers_scripts)

# What takes longest starts first, so that in the end nothing waits for one of them.
include $(srcdir)/tests/programs/local.mk
include $(srcdir)/tests/sandbox/local.mk
include $(srcdir)/tests/faults/local.mk
include $(srcdir)/tests/lib/local.mk
include $(srcdir)/tests/results/local.mk
include $(srcdir)/tests/headers/local.mk
include $(srcdir)/tests/install/local.mk
include $(srcdir)/tests/examples/local.mk
include $(srcdir)/tests/unit/local.mk
include $(srcdir)/tests/conformance/local.mk
include $(srcdir)/tests/hostile/local.mk
include $(srcdir)/tests/adapters/local.mk
include $(srcdir)/tests/compat/local.mk
include $(srcdir)/tests/tool/local.mk
include $(srcdir)/tests/fuzz/local.mk
include $(srcdir)/tests/machines/local.mk
include $(srcdir)/tests/model/local.mk
include $(srcdir)/tests/bench/local.mk
include $(srcdir)/tests/soak/local.mk

# Headers of tests that have no other line.
noinst_HEADERS += \
	tests/conformance/calls.h \
	tests/conformance/handlers.h \
	tests/conformance/limits.h \
	tests/lib/peer-script.h \
	tests/tool/ask.h \
	tests/tool/fake.h \
	tests/unit/test-fault.h \
	tests/unit/test-loop-poll.h \
	tests/unit/test-loop-signals.h \
	tests/unit/test-loop-trace.h \
	tests/unit/test-loop-wrap.h \
	tests/unit/test-loop.h \
	tests/unit/test-native-ends.h \
	tests/unit/test-native-pair.h \
	tests/unit/test-ring-fixture.h \
	tests/unit/test-ring-hostile.h \
	tests/unit/test-ring-pair.h
