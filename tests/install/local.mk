install_scripts = \
	tests/install/test-install \
	tests/install/test-qbipc-run
dist_check_SCRIPTS += $(install_scripts)
TESTS += $(install_scripts)
