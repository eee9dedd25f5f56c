# Under a filter that refuses system calls. The scenario is built against both libraries.
if HAVE_LIBQB
if HAVE_CHECK
noinst_PROGRAMS += tests/sandbox/scenario-libqb
check_PROGRAMS += tests/sandbox/test-refused
endif
endif

tests_sandbox_scenario_libqb_SOURCES = \
	tests/sandbox/scenario-libqb.c \
	tests/sandbox/scenario.c \
	tests/sandbox/scenario.h
tests_sandbox_scenario_libqb_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir) $(LIBQB_CFLAGS)
tests_sandbox_scenario_libqb_LDADD = \
	tests/lib/libtestlib.la $(CHECK_LIBS) $(LIBQB_LIBS) -lpthread

tests_sandbox_test_refused_SOURCES = \
	tests/sandbox/test-refused.c \
	tests/sandbox/scenario.c \
	tests/sandbox/scenario.h
tests_sandbox_test_refused_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_sandbox_test_refused_LDADD = \
	tests/lib/libtestlib.la lib/libqbipc.la $(CHECK_LIBS) -lpthread
