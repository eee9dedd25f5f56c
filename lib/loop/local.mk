lib_libqbipc_core_la_SOURCES += \
	lib/loop/jobs.c \
	lib/loop/loop.c \
	lib/loop/loop.h \
	lib/loop/poll.c \
	lib/loop/signals.c \
	lib/loop/timers.c
