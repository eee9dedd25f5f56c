# Peers that mean harm: a raw client and a false server, which use nothing of the library,
# and the arena in which they meet an honest end of it. Each suite is one program.
# QBIPC_HOSTILE_EFFORT (percent) scales heavy loops, QBIPC_HOSTILE_SEED repeats a run.
hostile_suites = \
	tests/hostile/descriptors \
	tests/hostile/false-answers \
	tests/hostile/false-behavior \
	tests/hostile/false-files \
	tests/hostile/files \
	tests/hostile/handshake \
	tests/hostile/kills \
	tests/hostile/memory-kept \
	tests/hostile/memory-messages \
	tests/hostile/memory-words \
	tests/hostile/processes \
	tests/hostile/sockets \
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
	tests/hostile/tools.c \
	tests/hostile/tools.h \
	tests/hostile/truth.c \
	tests/hostile/truth.h \
	tests/hostile/watch.c \
	tests/hostile/wire.h
hostile_ldadd = tests/hostile/libhostile.la $(conformance_ldadd)

tests_hostile_descriptors_SOURCES = tests/hostile/descriptors.c
tests_hostile_descriptors_LDADD = $(hostile_ldadd)
tests_hostile_false_answers_SOURCES = tests/hostile/false-answers.c
tests_hostile_false_answers_LDADD = $(hostile_ldadd)
tests_hostile_false_behavior_SOURCES = tests/hostile/false-behavior.c
tests_hostile_false_behavior_LDADD = $(hostile_ldadd)
tests_hostile_false_files_SOURCES = tests/hostile/false-files.c
tests_hostile_false_files_LDADD = $(hostile_ldadd)
tests_hostile_files_SOURCES = tests/hostile/files.c
tests_hostile_files_LDADD = $(hostile_ldadd)
tests_hostile_handshake_SOURCES = tests/hostile/handshake.c
tests_hostile_handshake_LDADD = $(hostile_ldadd)
tests_hostile_kills_SOURCES = tests/hostile/kills.c
tests_hostile_kills_LDADD = $(hostile_ldadd)
tests_hostile_memory_kept_SOURCES = tests/hostile/memory-kept.c
tests_hostile_memory_kept_LDADD = $(hostile_ldadd)
tests_hostile_memory_messages_SOURCES = tests/hostile/memory-messages.c
tests_hostile_memory_messages_LDADD = $(hostile_ldadd)
tests_hostile_memory_words_SOURCES = tests/hostile/memory-words.c
tests_hostile_memory_words_LDADD = $(hostile_ldadd)
tests_hostile_processes_SOURCES = tests/hostile/processes.c
tests_hostile_processes_LDADD = $(hostile_ldadd)
tests_hostile_sockets_SOURCES = tests/hostile/sockets.c
tests_hostile_sockets_LDADD = $(hostile_ldadd)
tests_hostile_wake_ups_SOURCES = tests/hostile/wake-ups.c
tests_hostile_wake_ups_LDADD = $(hostile_ldadd)
