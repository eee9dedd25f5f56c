lib_libqbipc_core_la_SOURCES += \
	lib/wire/description.h \
	lib/wire/handshake.c \
	lib/wire/handshake.h \
	lib/wire/monitor.c \
	lib/wire/monitor.h \
	lib/wire/names.c \
	lib/wire/names.h \
	lib/wire/page.c \
	lib/wire/page.h \
	lib/wire/snapshot.c \
	lib/wire/snapshot.h \
	lib/wire/why.c \
	lib/wire/why.h
