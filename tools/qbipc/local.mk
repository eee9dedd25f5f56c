# The command-line tool: of this library it uses what any program may.
bin_PROGRAMS += tools/qbipc/qbipc
tools_qbipc_qbipc_SOURCES = \
	examples/echo.h \
	tools/measure/histogram.c \
	tools/measure/histogram.h \
	tools/qbipc/bench-cell.c \
	tools/qbipc/bench-server.c \
	tools/qbipc/bench.c \
	tools/qbipc/bench.h \
	tools/qbipc/call.c \
	tools/qbipc/capture.c \
	tools/qbipc/capture.h \
	tools/qbipc/describe.c \
	tools/qbipc/describe.h \
	tools/qbipc/difference.c \
	tools/qbipc/difference.h \
	tools/qbipc/echo.c \
	tools/qbipc/event.c \
	tools/qbipc/event.h \
	tools/qbipc/ls.c \
	tools/qbipc/machine.c \
	tools/qbipc/main.c \
	tools/qbipc/metrics.c \
	tools/qbipc/metrics.h \
	tools/qbipc/monitor.c \
	tools/qbipc/ping.c \
	tools/qbipc/plot.c \
	tools/qbipc/process.c \
	tools/qbipc/process.h \
	tools/qbipc/replay.c \
	tools/qbipc/screen.c \
	tools/qbipc/screen.h \
	tools/qbipc/sockets.c \
	tools/qbipc/sockets.h \
	tools/qbipc/text.c \
	tools/qbipc/text.h \
	tools/qbipc/times.c \
	tools/qbipc/times.h \
	tools/qbipc/tool.c \
	tools/qbipc/tool.h \
	tools/qbipc/watch.c
tools_qbipc_qbipc_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/include -I$(top_srcdir)
tools_qbipc_qbipc_LDADD = lib/libqbipc.la -lm
