# How tests are run and counted; a test of its own, since a wrong sum would hide failures.
results_scripts = tests/results/test-count
dist_check_SCRIPTS += $(results_scripts)
TESTS += $(results_scripts)
EXTRA_DIST += tests/results/count.awk tests/results/driver.sh

# Tests print TAP: scripts with tests/tap.sh, programs with Check, which is told so here.
LOG_DRIVER = $(SHELL) $(top_srcdir)/tests/results/driver.sh
results_environment = \
	AM_TAP_AWK='$(AWK)'; export AM_TAP_AWK; \
	CK_TAP_LOG_FILE_NAME=-; export CK_TAP_LOG_FILE_NAME; \
	TAP_DRIVER='$(top_srcdir)/build-aux/tap-driver.sh'; export TAP_DRIVER; \
	QBIPC_TEST_LOGS='$(TEST_LOGS)'; export QBIPC_TEST_LOGS;
