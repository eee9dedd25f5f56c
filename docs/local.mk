# Documents. They are read from the source tree and not installed.
EXTRA_DIST += \
	docs/README.md \
	docs/adapters.md \
	docs/bpftrace/latency.bt \
	docs/bpftrace/messages.bt \
	docs/architecture.md \
	docs/assumptions.md \
	docs/fuzzing.md \
	docs/deploying.md \
	docs/getting-started.md \
	docs/glossary.md \
	docs/overview.svg \
	docs/performance.md \
	docs/performance-figures.md \
	docs/performance-clients.svg \
	docs/performance-size.svg \
	docs/platforms.md \
	docs/porting-from-libqb.md \
	docs/promises.md \
	docs/protocol.md \
	docs/recording.md \
	docs/release.md \
	docs/security.md \
	docs/threads.md \
	docs/tracing.md \
	docs/tuning.md \
	docs/wakeup.md

docs_scripts = \
	tests/docs/test-blocks \
	tests/docs/test-docs \
	tests/docs/test-man \
	tests/docs/test-promises \
	tests/docs/test-spelling
dist_check_SCRIPTS += $(docs_scripts)
TESTS += $(docs_scripts)
EXTRA_DIST += tests/docs/blocks.awk tests/docs/manual.sh tests/docs/numbers.c tests/docs/prologue.h \
	tests/docs/prose.awk tests/docs/words

# Results that only the manual speaks of.
if HAVE_CHECK
check_PROGRAMS += tests/docs/results
endif

include $(srcdir)/docs/man/local.mk

# The reference for a browser, made of headers and guides: make html.
EXTRA_DIST += docs/Doxyfile docs/html/header.awk docs/html/markdown.awk docs/html/style.css

.PHONY: html-reference clean-html-reference
html-local: html-reference
html-reference:
	@test -n '$(DOXYGEN)' || \
		{ echo 'make html needs doxygen (package doxygen; configure found none)' >&2; exit 1; }
	$(AM_V_GEN)rm -rf docs/html-reference && $(MKDIR_P) docs/html-reference && \
	SRCDIR='$(abs_srcdir)' OUTPUT='$(abs_builddir)/docs/html-reference' VERSION='$(VERSION)' \
		$(DOXYGEN) $(srcdir)/docs/Doxyfile
	@echo 'The reference is docs/html-reference/index.html'

clean-local: clean-html-reference
clean-html-reference:
	rm -rf docs/html-reference
