lib_libqbipc_core_la_SOURCES += \
	lib/loop/core.c \
	lib/loop/core.h \
	lib/loop/jobs.c \
	lib/loop/jobs.h \
	lib/loop/loop.c \
	lib/loop/loop.h \
	lib/loop/poll.c \
	lib/loop/poll.h \
	lib/loop/signals.c \
	lib/loop/signals.h \
	lib/loop/timers.c \
	lib/loop/timers.h
