lib_libqbipc_core_la_SOURCES += \
	lib/client/answer.c \
	lib/client/answer.h \
	lib/client/async.c \
	lib/client/async.h \
	lib/client/await.c \
	lib/client/await.h \
	lib/client/call-cancels.c \
	lib/client/call-cancels.h \
	lib/client/call-queue.c \
	lib/client/call-queue.h \
	lib/client/call-watch.c \
	lib/client/call-watch.h \
	lib/client/calls.c \
	lib/client/calls.h \
	lib/client/connect.c \
	lib/client/connect.h \
	lib/client/connection.c \
	lib/client/connection.h \
	lib/client/degraded.c \
	lib/client/degraded.h \
	lib/client/inquire.c \
	lib/client/inquire.h \
	lib/client/monitoring.c \
	lib/client/monitoring.h \
	lib/client/reach.c \
	lib/client/reach.h
