# Peers that mean harm: a raw client and a false server, which use nothing of the library,
# and the arena in which they meet an honest end of it. Each suite is one program.
# QBIPC_HOSTILE_EFFORT (percent) scales heavy loops, QBIPC_HOSTILE_SEED repeats a run.
if HAVE_CHECK
check_LTLIBRARIES += tests/hostile/libhostile.la
check_PROGRAMS += \
	tests/hostile/shared-memory
endif
tests_hostile_libhostile_la_SOURCES = \
	tests/hostile/arena.c \
	tests/hostile/arena.h \
	tests/hostile/honest.c \
	tests/hostile/raw.c \
	tests/hostile/raw.h \
	tests/hostile/raw-wires.c \
	tests/hostile/raw-wires.h \
	tests/hostile/report.h \
	tests/hostile/watch.c \
	tests/hostile/wire.h
hostile_ldadd = tests/hostile/libhostile.la $(conformance_ldadd)

tests_hostile_shared_memory_SOURCES = tests/hostile/shared-memory.c
tests_hostile_shared_memory_LDADD = $(hostile_ldadd)
