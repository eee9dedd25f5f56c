# All objects, once; the shared library and the unit tests both link them.
noinst_LTLIBRARIES += lib/libqbipc-core.la
lib_libqbipc_core_la_SOURCES =

include $(srcdir)/lib/base/local.mk
include $(srcdir)/lib/wire/local.mk
include $(srcdir)/lib/ring/local.mk
include $(srcdir)/lib/transport/local.mk
include $(srcdir)/lib/loop/local.mk
include $(srcdir)/lib/server/local.mk
include $(srcdir)/lib/client/local.mk
include $(srcdir)/lib/api/local.mk
include $(srcdir)/lib/adapter/local.mk

lib/%.o lib/%.lo: AM_CFLAGS += $(QBIPC_FRAME_CFLAGS)

lib_LTLIBRARIES = lib/libqbipc.la
lib_libqbipc_la_SOURCES =
lib_libqbipc_la_LIBADD = lib/libqbipc-core.la
lib_libqbipc_la_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,-z,nodelete \
	-version-info $(QBIPC_LT_CURRENT):$(QBIPC_LT_REVISION):$(QBIPC_LT_AGE) \
	-Wl,--version-script=$(top_srcdir)/lib/libqbipc.map
lib_libqbipc_la_DEPENDENCIES = lib/libqbipc-core.la lib/libqbipc.map

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = lib/libqbipc.pc

# For programs that build with CMake. Where the headers are it says from where it lies, so
# that a tree may be moved.
cmakedir = $(libdir)/cmake/libqbipc
cmake_DATA = lib/libqbipcConfig.cmake lib/libqbipcConfigVersion.cmake
CLEANFILES += lib/libqbipcConfig.cmake
EXTRA_DIST += lib/libqbipcConfig.cmake.in

lib/libqbipcConfig.cmake: lib/libqbipcConfig.cmake.in Makefile
	$(AM_V_GEN)$(MKDIR_P) lib && \
	from=$$(realpath -m --relative-to='$(libdir)' '$(includedir)') && \
	$(SED) "s|@includedir_from_libdir[@]|$$from|" \
		$(srcdir)/lib/libqbipcConfig.cmake.in >$@.tmp && mv $@.tmp $@

EXTRA_DIST += lib/libqbipc.map lib/LAYERS
