install_scripts = \
	tests/install/test-dist \
	tests/install/test-install \
	tests/install/test-qbipc-run \
	tests/install/test-quickstart \
	tests/install/test-static \
	tests/install/test-tracepoints
dist_check_SCRIPTS += $(install_scripts)
TESTS += $(install_scripts)
