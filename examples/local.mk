# Small programs that use the public interface only. tests/examples runs them.
noinst_PROGRAMS += \
	examples/activated-server \
	examples/bodies \
	examples/call-client \
	examples/deferring-server \
	examples/describe-client \
	examples/echo-client \
	examples/echo-server \
	examples/handlers-server \
	examples/large-client \
	examples/minimal-client \
	examples/minimal-server \
	examples/monitor-client

# As users build them: only the public headers, and the library.
examples_cppflags = -I$(top_srcdir)/include
examples/%: LDADD = lib/libqbipc.la
examples/%.o: AM_CPPFLAGS = $(examples_cppflags)
noinst_HEADERS += examples/echo.h
EXTRA_DIST += examples/activated.service examples/activated.socket

# One per poll adapter whose library is there.
if HAVE_GLIB
noinst_PROGRAMS += examples/echo-server-glib examples/event-client-glib
endif
examples_echo_server_glib_CPPFLAGS = $(examples_cppflags) $(GLIB_CFLAGS)
examples_echo_server_glib_LDADD = lib/libqbipc.la $(GLIB_LIBS)
examples_event_client_glib_CPPFLAGS = $(examples_cppflags) $(GLIB_CFLAGS)
examples_event_client_glib_LDADD = lib/libqbipc.la $(GLIB_LIBS)
if HAVE_LIBEV
noinst_PROGRAMS += examples/echo-server-libev
endif
examples_echo_server_libev_CPPFLAGS = $(examples_cppflags) $(LIBEV_CFLAGS)
examples_echo_server_libev_LDADD = lib/libqbipc.la $(LIBEV_LIBS)
if HAVE_LIBEVENT
noinst_PROGRAMS += examples/echo-server-libevent
endif
examples_echo_server_libevent_CPPFLAGS = $(examples_cppflags) $(LIBEVENT_CFLAGS)
examples_echo_server_libevent_LDADD = lib/libqbipc.la $(LIBEVENT_LIBS)
if HAVE_LIBUV
noinst_PROGRAMS += examples/echo-server-libuv
endif
examples_echo_server_libuv_CPPFLAGS = $(examples_cppflags) $(LIBUV_CFLAGS)
examples_echo_server_libuv_LDADD = lib/libqbipc.la $(LIBUV_LIBS)
if HAVE_LIBSYSTEMD
noinst_PROGRAMS += examples/echo-server-sd-event
endif
examples_echo_server_sd_event_CPPFLAGS = $(examples_cppflags) $(LIBSYSTEMD_CFLAGS)
examples_echo_server_sd_event_LDADD = lib/libqbipc.la $(LIBSYSTEMD_LIBS)
