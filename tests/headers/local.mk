dist_check_SCRIPTS += \
	tests/headers/test-abi \
	tests/headers/test-compile
EXTRA_DIST += tests/headers/abi.c
