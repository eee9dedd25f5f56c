# Documents. They are read from the source tree and not installed.
EXTRA_DIST += \
	docs/architecture.md \
	docs/protocol.md \
	docs/wakeup.md
