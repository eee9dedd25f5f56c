examples_scripts = \
	tests/examples/test-deferring \
	tests/examples/test-echo \
	tests/examples/test-minimal
dist_check_SCRIPTS += $(examples_scripts)
TESTS += $(examples_scripts)

# What the scripts call.
noinst_PROGRAMS += tests/examples/deferred-calls
