headers_scripts = \
	tests/headers/test-abi \
	tests/headers/test-compile \
	tests/headers/test-exports
dist_check_SCRIPTS += $(headers_scripts)
TESTS += $(headers_scripts)
EXTRA_DIST += tests/headers/abi.c
