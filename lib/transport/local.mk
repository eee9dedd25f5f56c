lib_libqbipc_core_la_SOURCES += \
	lib/transport/native-shm-client.c \
	lib/transport/native-shm-server.c \
	lib/transport/native-socket-client.c \
	lib/transport/native-socket-server.c \
	lib/transport/early.c \
	lib/transport/early.h \
	lib/transport/packets.c \
	lib/transport/packets.h \
	lib/transport/qb-channel.c \
	lib/transport/qb-channel.h \
	lib/transport/qb-shm-client.c \
	lib/transport/qb-shm-server.c \
	lib/transport/qb-socket-client.c \
	lib/transport/qb-socket-server.c \
	lib/transport/ring-bodies.c \
	lib/transport/ring-bodies.h \
	lib/transport/registry.c \
	lib/transport/registry.h \
	lib/transport/transport.h \
	lib/transport/trial.c \
	lib/transport/trial.h
