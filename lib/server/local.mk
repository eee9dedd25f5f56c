lib_libqbipc_core_la_SOURCES += \
	lib/server/access.c \
	lib/server/access.h \
	lib/server/broadcast.c \
	lib/server/broadcast.h \
	lib/server/connection.c \
	lib/server/connection.h \
	lib/server/deadlines.c \
	lib/server/deadlines.h \
	lib/server/dispatch.c \
	lib/server/handshake.c \
	lib/server/inquiry.c \
	lib/server/inquiry.h \
	lib/server/limits.c \
	lib/server/limits.h \
	lib/server/listener.c \
	lib/server/listener.h \
	lib/server/refusals.c \
	lib/server/refusals.h \
	lib/server/retry.c \
	lib/server/retry.h \
	lib/server/selector.c \
	lib/server/selector.h \
	lib/server/send.c \
	lib/server/service.c \
	lib/server/service.h \
	lib/server/writable.c \
	lib/server/writable.h
