# Small programs that use the public interface only. tests/examples runs them.
noinst_PROGRAMS += \
	examples/echo-client \
	examples/echo-server \
	examples/minimal-client \
	examples/minimal-server

examples_cppflags = -I$(top_srcdir)/include

examples_echo_client_SOURCES = examples/echo-client.c examples/echo.h
examples_echo_client_CPPFLAGS = $(examples_cppflags)
examples_echo_client_LDADD = lib/libqbipc.la

examples_echo_server_SOURCES = examples/echo-server.c examples/echo.h
examples_echo_server_CPPFLAGS = $(examples_cppflags)
examples_echo_server_LDADD = lib/libqbipc.la

examples_minimal_client_SOURCES = examples/minimal-client.c
examples_minimal_client_CPPFLAGS = $(examples_cppflags)
examples_minimal_client_LDADD = lib/libqbipc.la

examples_minimal_server_SOURCES = examples/minimal-server.c
examples_minimal_server_CPPFLAGS = $(examples_cppflags)
examples_minimal_server_LDADD = lib/libqbipc.la
