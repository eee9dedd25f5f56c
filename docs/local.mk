# Documents. They are read from the source tree and not installed.
EXTRA_DIST += \
	docs/architecture.md \
	docs/wakeup.md
