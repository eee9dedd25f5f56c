# Under a filter that refuses system calls. The scenario is built against both libraries.
if HAVE_LIBQB
if HAVE_CHECK
noinst_PROGRAMS += tests/sandbox/scenario-libqb tests/sandbox/connect-libqb
check_PROGRAMS += tests/sandbox/test-refused
endif
endif

if HAVE_CHECK
check_PROGRAMS += tests/sandbox/test-why
endif
tests_sandbox_test_why_SOURCES = tests/sandbox/test-why.c tests/tool/ask.c

tests_sandbox_connect_libqb_SOURCES = tests/sandbox/connect-libqb.c
tests_sandbox_connect_libqb_CPPFLAGS = $(LIBQB_CFLAGS)
tests_sandbox_connect_libqb_LDADD = $(LIBQB_LIBS)

tests_sandbox_scenario_libqb_SOURCES = \
	tests/sandbox/scenario-libqb.c \
	tests/sandbox/scenario.c \
	tests/sandbox/scenario.h
tests_sandbox_scenario_libqb_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir) $(LIBQB_CFLAGS)
tests_sandbox_scenario_libqb_LDADD = \
	tests/lib/libtestlib.la $(CHECK_LIBS) $(LIBQB_LIBS) -lpthread -ldl

tests_sandbox_test_refused_SOURCES = \
	tests/sandbox/test-refused.c \
	tests/sandbox/scenario.c \
	tests/sandbox/scenario.h
tests_sandbox_test_refused_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_sandbox_test_refused_LDADD = $(public_ldadd)
