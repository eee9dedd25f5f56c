# Other machines: older kernels and larger pages here; other architectures and releases
# by the scripts, which CI or a person runs.
machines_scripts = tests/machines/test-older-kernel tests/machines/test-pages
dist_check_SCRIPTS += $(machines_scripts)
TESTS += $(machines_scripts)
EXTRA_DIST += tests/machines/chroot tests/machines/emulate tests/machines/enforced \
	tests/machines/enforced.te tests/machines/pages.c tests/machines/sysroot

noinst_PROGRAMS += tests/machines/older-kernel
tests_machines_older_kernel_SOURCES = tests/machines/older-kernel.c
