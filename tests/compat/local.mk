# Interoperation with the installed libqb. One server and one client source, each built
# against either library; the clients are the tests and start the servers.
EXTRA_DIST += tests/compat/no-libqb.sh
if HAVE_LIBQB
noinst_PROGRAMS += \
	tests/compat/callbacks-libqb tests/compat/callbacks-qbipc \
	tests/compat/check-daemon-libqb tests/compat/check-daemon-qbipc \
	tests/compat/cluster-log-libqb tests/compat/cluster-log-qbipc
compat_scripts = tests/compat/test-callbacks tests/compat/test-daemons
dist_check_SCRIPTS += $(compat_scripts)
TESTS += $(compat_scripts)
if HAVE_CHECK
noinst_PROGRAMS += tests/compat/compat-server-libqb tests/compat/compat-server-qbipc
check_PROGRAMS += tests/compat/compat-client-libqb tests/compat/compat-client-qbipc
endif
else
TESTS += tests/compat/no-libqb.sh
endif

# Not ours in the search path, and no wrapper scripts: they execute each other. libtool's
# own way to that (-no-install) splits a path with a space, so they find the library from
# where they are, and make sure that it is the one of this build (tests/lib/loaded.c).
compat_libqb_cppflags = -I$(top_srcdir) $(LIBQB_CFLAGS)
compat_ldadd = lib/.libs/libqbipc.so -ldl
compat_dependencies = lib/libqbipc.la
compat_ldflags = $(AM_LDFLAGS) -Wl,-rpath,'$$ORIGIN/../../lib/.libs'

tests_compat_callbacks_qbipc_SOURCES = tests/compat/callbacks.c tests/compat/app-loop.h tests/lib/loaded.c
tests_compat_callbacks_qbipc_CPPFLAGS = $(AM_CPPFLAGS)
tests_compat_callbacks_qbipc_LDADD = $(compat_ldadd)
tests_compat_callbacks_qbipc_DEPENDENCIES = $(compat_dependencies)
tests_compat_callbacks_qbipc_LDFLAGS = $(compat_ldflags)
tests_compat_callbacks_libqb_SOURCES = tests/compat/callbacks.c tests/compat/app-loop.h
tests_compat_callbacks_libqb_CPPFLAGS = $(compat_libqb_cppflags)
tests_compat_callbacks_libqb_LDADD = $(LIBQB_LIBS)

tests_compat_check_daemon_qbipc_SOURCES = tests/compat/check-daemon.c tests/compat/app-loop.h tests/lib/loaded.c
tests_compat_check_daemon_qbipc_CPPFLAGS = $(AM_CPPFLAGS)
tests_compat_check_daemon_qbipc_LDADD = $(compat_ldadd)
tests_compat_check_daemon_qbipc_DEPENDENCIES = $(compat_dependencies)
tests_compat_check_daemon_qbipc_LDFLAGS = $(compat_ldflags)
tests_compat_check_daemon_libqb_SOURCES = tests/compat/check-daemon.c tests/compat/app-loop.h
tests_compat_check_daemon_libqb_CPPFLAGS = $(compat_libqb_cppflags)
tests_compat_check_daemon_libqb_LDADD = $(LIBQB_LIBS)

tests_compat_cluster_log_qbipc_SOURCES = tests/compat/cluster-log.c tests/lib/loaded.c
tests_compat_cluster_log_qbipc_CPPFLAGS = $(AM_CPPFLAGS)
tests_compat_cluster_log_qbipc_LDADD = $(compat_ldadd) -lpthread
tests_compat_cluster_log_qbipc_DEPENDENCIES = $(compat_dependencies)
tests_compat_cluster_log_qbipc_LDFLAGS = $(compat_ldflags)
tests_compat_cluster_log_libqb_SOURCES = tests/compat/cluster-log.c
tests_compat_cluster_log_libqb_CPPFLAGS = $(compat_libqb_cppflags)
tests_compat_cluster_log_libqb_LDADD = $(LIBQB_LIBS) -lpthread

compat_server_sources = \
	tests/compat/app-loop.h \
	tests/compat/compat-server.c \
	tests/compat/listen.h \
	tests/compat/protocol.h \
	tests/lib/pattern.c \
	tests/lib/pattern.h
tests_compat_compat_server_qbipc_SOURCES = $(compat_server_sources) \
	tests/compat/listen-qbipc.c tests/lib/loaded.c
tests_compat_compat_server_qbipc_CPPFLAGS = $(AM_CPPFLAGS)
tests_compat_compat_server_qbipc_LDADD = $(compat_ldadd)
tests_compat_compat_server_qbipc_DEPENDENCIES = $(compat_dependencies)
tests_compat_compat_server_qbipc_LDFLAGS = $(compat_ldflags)
tests_compat_compat_server_libqb_SOURCES = $(compat_server_sources) tests/compat/listen-libqb.c
tests_compat_compat_server_libqb_CPPFLAGS = $(compat_libqb_cppflags)
tests_compat_compat_server_libqb_LDADD = $(LIBQB_LIBS)

compat_client_sources = \
	tests/compat/cell.c \
	tests/compat/cell.h \
	tests/compat/client-activation.c \
	tests/compat/client-endings.c \
	tests/compat/client-events.c \
	tests/compat/client-files.c \
	tests/compat/client-in-turn.c \
	tests/compat/client-library.c \
	tests/compat/client-messages.c \
	tests/compat/compat-client.c \
	tests/compat/protocol.h
tests_compat_compat_client_qbipc_SOURCES = $(compat_client_sources)
tests_compat_compat_client_qbipc_CPPFLAGS = $(AM_CPPFLAGS) -DCLIENT_LIBRARY='"qbipc"'
tests_compat_compat_client_qbipc_LDADD = \
	tests/lib/libtestlib.la $(compat_ldadd) $(CHECK_LIBS) -lpthread
tests_compat_compat_client_qbipc_DEPENDENCIES = \
	tests/lib/libtestlib.la $(compat_dependencies)
tests_compat_compat_client_qbipc_LDFLAGS = $(compat_ldflags)
tests_compat_compat_client_libqb_SOURCES = $(compat_client_sources)
tests_compat_compat_client_libqb_CPPFLAGS = \
	$(compat_libqb_cppflags) -DCLIENT_LIBRARY='"libqb"' -DCLIENT_IS_LIBQB
tests_compat_compat_client_libqb_LDADD = \
	tests/lib/libtestlib.la $(CHECK_LIBS) $(LIBQB_LIBS) -lpthread -ldl
