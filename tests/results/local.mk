# How .ci/run counts; a test of its own, since a wrong sum would hide failures.
results_scripts = tests/results/test-count
dist_check_SCRIPTS += $(results_scripts)
TESTS += $(results_scripts)
EXTRA_DIST += tests/results/count.awk
