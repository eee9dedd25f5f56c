# Documents. They are read from the source tree and not installed.
EXTRA_DIST += \
	docs/README.md \
	docs/adapters.md \
	docs/architecture.md \
	docs/deploying.md \
	docs/getting-started.md \
	docs/performance.md \
	docs/performance-clients.svg \
	docs/performance-size.svg \
	docs/porting-from-libqb.md \
	docs/protocol.md \
	docs/tuning.md \
	docs/wakeup.md

docs_scripts = \
	tests/docs/test-blocks \
	tests/docs/test-docs \
	tests/docs/test-man
dist_check_SCRIPTS += $(docs_scripts)
TESTS += $(docs_scripts)
EXTRA_DIST += tests/docs/blocks.awk tests/docs/numbers.c tests/docs/prologue.h

include $(srcdir)/docs/man/local.mk
