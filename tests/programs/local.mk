# tests/programs: programs of others, unmodified, with the library preloaded.
TESTS += tests/programs/cluster.sh
dist_check_SCRIPTS += tests/programs/cluster.sh
EXTRA_DIST += \
	tests/programs/cluster-inside.sh \
	tests/programs/cluster-checks.sh \
	tests/programs/sandbox.sh \
	tests/programs/tap.sh
