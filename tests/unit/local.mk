# tests/unit

# The shared-memory layer: internal symbols, so linked with the objects.
ring_tests = \
	tests/unit/test-ring
if HAVE_CHECK
check_PROGRAMS += $(ring_tests)
endif
ring_ldadd = lib/libqbipc-core.la tests/lib/libtestlib.la $(CHECK_LIBS) -lpthread

tests_unit_test_ring_SOURCES = tests/unit/test-ring.c tests/unit/test-ring-pair.h
tests_unit_test_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_ring_LDADD = $(ring_ldadd)
