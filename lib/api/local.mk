lib_libqbipc_core_la_SOURCES += \
	lib/api/ext.c \
	lib/api/loop.c
