lib_libqbipc_core_la_SOURCES += \
	lib/client/connect.c \
	lib/client/connection.c \
	lib/client/connection.h \
	lib/client/inquire.c \
	lib/client/inquire.h \
	lib/client/reach.c \
	lib/client/reach.h
