lib_libqbipc_core_la_SOURCES += \
	lib/transport/qb-shm.c \
	lib/transport/qb-socket.c \
	lib/transport/registry.c \
	lib/transport/transport.h
