# tests/programs: programs of others, unmodified, with the library preloaded.
programs_tests = \
	tests/programs/cluster.sh \
	tests/programs/corosync.sh \
	tests/programs/restarts.sh \
	tests/programs/usbguard.sh
TESTS += $(programs_tests)
dist_check_SCRIPTS += $(programs_tests)
EXTRA_DIST += \
	tests/programs/cluster-checks.sh \
	tests/programs/cluster-config.sh \
	tests/programs/cluster-inside.sh \
	tests/programs/cluster-run.sh \
	tests/programs/corosync-inside.sh \
	tests/programs/corosync-recording.sh \
	tests/programs/corosync-watchers.sh \
	tests/programs/cpg-member.c \
	tests/programs/modes.sh \
	tests/programs/preload.sh \
	tests/programs/restarts-inside.sh \
	tests/programs/sam-process.c \
	tests/programs/sandbox.sh \
	tests/programs/tap.sh \
	tests/programs/usbguard-device.sh \
	tests/programs/usbguard-inside.sh
