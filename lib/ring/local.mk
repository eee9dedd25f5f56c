lib_libqbipc_core_la_SOURCES += \
	lib/ring/fault.c \
	lib/ring/fault.h \
	lib/ring/mapping.c \
	lib/ring/mapping.h \
	lib/ring/punch.c \
	lib/ring/punch.h \
	lib/ring/qbcontrol.c \
	lib/ring/qbcontrol.h \
	lib/ring/qbring-traffic.c \
	lib/ring/qbring-wire.h \
	lib/ring/qbring.c \
	lib/ring/qbring.h \
	lib/ring/region.c \
	lib/ring/region.h \
	lib/ring/sealed.c \
	lib/ring/sealed.h \
	lib/ring/ring.c \
	lib/ring/ring.h \
	lib/ring/shared.h \
	lib/ring/shm-dir.c \
	lib/ring/shm-dir.h \
	lib/ring/shm-peer.c \
	lib/ring/shm-peer.h \
	lib/ring/shm-sweep.c \
	lib/ring/shm-sweep.h \
	lib/ring/wakeup.c \
	lib/ring/wakeup.h
