headers_scripts = \
	tests/headers/test-abi \
	tests/headers/test-abi-dump \
	tests/headers/test-compile \
	tests/headers/test-exports \
	tests/headers/test-older-headers
dist_check_SCRIPTS += $(headers_scripts)
TESTS += $(headers_scripts)
EXTRA_DIST += lib/libqbipc.abi tests/headers/abi.c tests/headers/abi-dump.sh

# After a change of the ABI that is meant.
.PHONY: abi-dump
abi-dump: lib/libqbipc.la
	$(SHELL) $(srcdir)/tests/headers/abi-dump.sh lib/.libs/libqbipc.so $(srcdir)/include \
		>$(srcdir)/lib/libqbipc.abi
