# Documents. They are read from the source tree and not installed.
EXTRA_DIST += \
	docs/README.md \
	docs/architecture.md \
	docs/porting-from-libqb.md \
	docs/protocol.md \
	docs/wakeup.md
