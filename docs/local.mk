# documents
EXTRA_DIST += docs/wakeup.md
