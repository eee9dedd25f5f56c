# Clients that come and go: a few seconds of it with the tests, and as long as one likes by
# "make soak SOAK_SECONDS=600".
SOAK_SECONDS = 600
check_PROGRAMS += tests/soak/soak
soak: tests/soak/soak
	tests/soak/soak $(SOAK_SECONDS)
.PHONY: soak

tests_soak_soak_SOURCES = tests/soak/soak.c
tests_soak_soak_LDADD = lib/libqbipc-core.la -lpthread
