# Peers that mean harm: a raw client and a false server, which use nothing of the library,
# and the arena in which they meet an honest end of it. Each suite is one program.
# QBIPC_HOSTILE_EFFORT (percent) scales heavy loops, QBIPC_HOSTILE_SEED repeats a run.
hostile_suites = \
	tests/hostile/bells \
	tests/hostile/bodies \
	tests/hostile/cancels \
	tests/hostile/descriptors \
	tests/hostile/false-answers \
	tests/hostile/false-behavior \
	tests/hostile/false-calls \
	tests/hostile/false-closes \
	tests/hostile/false-files \
	tests/hostile/files \
	tests/hostile/handshake \
	tests/hostile/hang-ups \
	tests/hostile/in-place \
	tests/hostile/kills \
	tests/hostile/many-mappings \
	tests/hostile/memory-held \
	tests/hostile/memory-kept \
	tests/hostile/memory-messages \
	tests/hostile/memory-words \
	tests/hostile/monitors \
	tests/hostile/options \
	tests/hostile/processes \
	tests/hostile/second-attempts \
	tests/hostile/slow-answers \
	tests/hostile/sockets \
	tests/hostile/stopwatches \
	tests/hostile/unread-answers \
	tests/hostile/wait-queues \
	tests/hostile/wake-ups
if HAVE_CHECK
check_LTLIBRARIES += tests/hostile/libhostile.la
check_PROGRAMS += $(hostile_suites)
endif
tests_hostile_libhostile_la_SOURCES = \
	tests/hostile/arena.c \
	tests/hostile/arena.h \
	tests/hostile/false.c \
	tests/hostile/false.h \
	tests/hostile/honest.c \
	tests/hostile/common.c \
	tests/hostile/raw.c \
	tests/hostile/raw.h \
	tests/hostile/raw-wires.c \
	tests/hostile/raw-wires.h \
	tests/hostile/report.h \
	tests/hostile/slow-files.c \
	tests/hostile/slow.c \
	tests/hostile/slow.h \
	tests/hostile/stopwatch.c \
	tests/hostile/stopwatch.h \
	tests/hostile/tools.c \
	tests/hostile/tools.h \
	tests/hostile/truth.c \
	tests/hostile/truth.h \
	tests/hostile/watch.c \
	tests/hostile/wire.h \
	tests/hostile/witness.c \
	tests/hostile/witness.h
