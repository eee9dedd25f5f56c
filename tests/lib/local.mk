# Shared by all test programs: needs only the public headers, links with either library.
if HAVE_CHECK
check_LTLIBRARIES += tests/lib/libtestlib.la
endif
AM_CPPFLAGS += -I$(top_srcdir)
tests_lib_libtestlib_la_SOURCES = \
	tests/lib/adapter.h \
	tests/lib/adapter-glib-like.c \
	tests/lib/adapter-qb-loop.c \
	tests/lib/answer.c \
	tests/lib/census.c \
	tests/lib/census.h \
	tests/lib/deadline.c \
	tests/lib/deadline.h \
	tests/lib/host.c \
	tests/lib/loaded.c \
	tests/lib/loaded.h \
	tests/lib/message.c \
	tests/lib/message.h \
	tests/lib/pattern.c \
	tests/lib/pattern.h \
	tests/lib/registration.c \
	tests/lib/remote.c \
	tests/lib/remote.h \
	tests/lib/scarcity.c \
	tests/lib/scarcity.h \
	tests/lib/server.c \
	tests/lib/server.h \
	tests/lib/session.c \
	tests/lib/session.h \
	tests/lib/smaps.c \
	tests/lib/smaps.h \
	tests/lib/task.c \
	tests/lib/task.h \
	tests/lib/variant.c \
	tests/lib/variant.h
