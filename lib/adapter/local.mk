lib_libqbipc_core_la_SOURCES += \
	lib/adapter/calls.c \
	lib/adapter/client.c \
	lib/adapter/jobs.c \
	lib/adapter/jobs.h \
	lib/adapter/poll.c \
	lib/adapter/poll.h \
	lib/adapter/quiet.c \
	lib/adapter/quiet.h
