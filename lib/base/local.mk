lib_libqbipc_core_la_SOURCES += \
	lib/base/again.c \
	lib/base/again.h \
	lib/base/clock.h \
	lib/base/counter.h \
	lib/base/cpus.c \
	lib/base/cpus.h \
	lib/base/descriptors.c \
	lib/base/descriptors.h \
	lib/base/file.c \
	lib/base/file.h \
	lib/base/list.h \
	lib/base/log.c \
	lib/base/log.h \
	lib/base/look.c \
	lib/base/look.h \
	lib/base/memory.c \
	lib/base/memory.h \
	lib/base/msg.h \
	lib/base/owner.h \
	lib/base/peer.c \
	lib/base/peer.h \
	lib/base/sized.c \
	lib/base/sized.h \
	lib/base/socket.c \
	lib/base/socket.h \
	lib/base/syscalls.h \
	lib/base/util.h
