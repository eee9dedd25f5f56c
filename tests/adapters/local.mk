# One program per adapter, all with the same suites. Without its library a program says
# that it skips.
adapters_ldadd = tests/adapters/libsuites.la $(public_ldadd)
adapters_programs = \
	tests/adapters/test-glib \
	tests/adapters/test-libev \
	tests/adapters/test-libevent \
	tests/adapters/test-libuv \
	tests/adapters/test-parts \
	tests/adapters/test-qb \
	tests/adapters/test-sd-event

if HAVE_CHECK
check_LTLIBRARIES += tests/adapters/libsuites.la
check_PROGRAMS += $(adapters_programs)
endif

tests_adapters_libsuites_la_SOURCES = \
	tests/adapters/calls.c \
	tests/adapters/clients.c \
	tests/adapters/descriptors.c \
	tests/adapters/jobs.c \
	tests/adapters/loop.h \
	tests/adapters/loops.c \
	tests/adapters/main.c \
	tests/adapters/pairs.c \
	tests/adapters/pairs.h \
	tests/adapters/real.c \
	tests/adapters/removals.c \
	tests/adapters/scarce.c \
	tests/adapters/services.c

tests_adapters_test_qb_SOURCES = tests/adapters/loop-qb.c
tests_adapters_test_qb_LDADD = $(adapters_ldadd)

if HAVE_GLIB
tests_adapters_test_glib_SOURCES = tests/adapters/loop-glib.c
tests_adapters_test_glib_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
tests_adapters_test_glib_LDADD = $(adapters_ldadd) $(GLIB_LIBS)
else
tests_adapters_test_glib_SOURCES = tests/adapters/missing.c
tests_adapters_test_glib_CPPFLAGS = $(AM_CPPFLAGS) -DMISSING='"libglib2.0-dev"'
tests_adapters_test_glib_LDADD =
endif

if HAVE_LIBEVENT
tests_adapters_test_libevent_SOURCES = tests/adapters/loop-libevent.c
tests_adapters_test_libevent_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
tests_adapters_test_libevent_LDADD = $(adapters_ldadd) $(LIBEVENT_LIBS)
else
tests_adapters_test_libevent_SOURCES = tests/adapters/missing.c
tests_adapters_test_libevent_CPPFLAGS = $(AM_CPPFLAGS) -DMISSING='"libevent-dev"'
tests_adapters_test_libevent_LDADD =
endif

if HAVE_LIBEV
tests_adapters_test_libev_SOURCES = tests/adapters/loop-libev.c
tests_adapters_test_libev_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEV_CFLAGS)
tests_adapters_test_libev_LDADD = $(adapters_ldadd) $(LIBEV_LIBS)
else
tests_adapters_test_libev_SOURCES = tests/adapters/missing.c
tests_adapters_test_libev_CPPFLAGS = $(AM_CPPFLAGS) -DMISSING='"libev-dev"'
tests_adapters_test_libev_LDADD =
endif

if HAVE_LIBUV
tests_adapters_test_libuv_SOURCES = tests/adapters/loop-libuv.c
tests_adapters_test_libuv_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
tests_adapters_test_libuv_LDADD = $(adapters_ldadd) $(LIBUV_LIBS)
else
tests_adapters_test_libuv_SOURCES = tests/adapters/missing.c
tests_adapters_test_libuv_CPPFLAGS = $(AM_CPPFLAGS) -DMISSING='"libuv1-dev"'
tests_adapters_test_libuv_LDADD =
endif

if HAVE_LIBSYSTEMD
tests_adapters_test_sd_event_SOURCES = tests/adapters/loop-sd-event.c
tests_adapters_test_sd_event_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_adapters_test_sd_event_LDADD = $(adapters_ldadd) $(LIBSYSTEMD_LIBS)
else
tests_adapters_test_sd_event_SOURCES = tests/adapters/missing.c
tests_adapters_test_sd_event_CPPFLAGS = $(AM_CPPFLAGS) -DMISSING='"libsystemd-dev"'
tests_adapters_test_sd_event_LDADD =
endif

adapters_scripts = \
	tests/adapters/test-examples \
	tests/adapters/test-headers
dist_check_SCRIPTS += $(adapters_scripts)
TESTS += $(adapters_scripts)
