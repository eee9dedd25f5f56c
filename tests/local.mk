TESTS += $(check_PROGRAMS)
include $(srcdir)/tests/lib/local.mk
include $(srcdir)/tests/unit/local.mk
include $(srcdir)/tests/conformance/local.mk
include $(srcdir)/tests/compat/local.mk
include $(srcdir)/tests/programs/local.mk
include $(srcdir)/tests/bench/local.mk
