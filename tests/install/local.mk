install_scripts = \
	tests/install/test-dist \
	tests/install/test-install \
	tests/install/test-qbipc-run \
	tests/install/test-quickstart
dist_check_SCRIPTS += $(install_scripts)
TESTS += $(install_scripts)
