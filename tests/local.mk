# All check_PROGRAMS are run by "make check"; a script adds itself to TESTS and to
# dist_check_SCRIPTS. What is only a helper is in EXTRA_PROGRAMS or check_LTLIBRARIES.
TESTS += $(check_PROGRAMS)

# What scripts may ask for besides srcdir, which automake sets. See tests/tap.sh.
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; \
	CXX='$(CXX)'; export CXX; \
	MAKE='$(MAKE)'; export MAKE; \
	LIBQB_HEADERS='$(LIBQB_HEADERS)'; export LIBQB_HEADERS; \
	LIBQB_LIBRARY='$(LIBQB_LIBRARY)'; export LIBQB_LIBRARY; \
	bindir='$(bindir)'; export bindir; \
	datadir='$(datadir)'; export datadir; \
	includedir='$(includedir)'; export includedir; \
	libdir='$(libdir)'; export libdir; \
	QBIPC_SANITIZER='$(QBIPC_SANITIZER)'; export QBIPC_SANITIZER; \
	$(results_environment)
EXTRA_DIST += tests/tap.sh

layers_scripts = tests/unit/test-layers
dist_check_SCRIPTS += $(layers_scripts)
TESTS += $(layers_scripts)

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
include $(srcdir)/tests/faults/local.mk
include $(srcdir)/tests/fuzz/local.mk
include $(srcdir)/tests/machines/local.mk
include $(srcdir)/tests/model/local.mk
include $(srcdir)/tests/programs/local.mk
include $(srcdir)/tests/bench/local.mk
include $(srcdir)/tests/soak/local.mk
