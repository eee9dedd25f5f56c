lib_libqbipc_core_la_SOURCES += \
	lib/api/bodies.c \
	lib/api/call.c \
	lib/api/deadline.c \
	lib/api/describe.c \
	lib/api/dgram.c \
	lib/api/errors.c \
	lib/api/errors.h \
	lib/api/events.c \
	lib/api/ext.c \
	lib/api/handlers.c \
	lib/api/peer.c \
	lib/api/ipcc.c \
	lib/api/ipcs.c \
	lib/api/limits.c \
	lib/api/listen.c \
	lib/api/loop.c \
	lib/api/service-loop.c \
	lib/api/memory.c \
	lib/api/monitor.c \
	lib/api/reserve.c \
	lib/api/views.c \
	lib/api/snapshot.c
