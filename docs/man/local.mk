# Manual pages. Those of section 3 are made from the comments in the headers, with doxygen
# and python3; a release archive has them made. The other sections are written by hand:
# each *.1 and *.7 here is installed.
#
#	make install MAN3_SUFFIX=3qbipc	for a system where libqb's pages have the same names

# Of the release, so that pages do not depend on when they are made.
man_date = November 22, 2026
MAN3_SUFFIX = 3

dist_man1_MANS = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/docs/man/*.1))
dist_man7_MANS = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/docs/man/*.7))

man_headers := $(patsubst $(srcdir)/%,%,$(sort $(wildcard $(srcdir)/include/qb/*.h \
	$(srcdir)/include/qbipc/*.h)))
man_sources = \
	docs/html/header.awk \
	docs/man/Doxyfile \
	docs/man/families.py \
	docs/man/lint.py \
	docs/man/local.mk \
	docs/man/manual.py \
	docs/man/mdoc.py \
	docs/man/pages \
	docs/man/reference.py \
	docs/man/xml
EXTRA_DIST += $(man_sources)

# The stamp is in the archive with the pages, as new as the headers: nothing is made then.
man3_stamp = docs/man/man3/stamp
if HAVE_MANUAL
all-local: $(man3_stamp)
install-data-local: install-man3
endif

if HAVE_MANUAL_TOOLS
$(man3_stamp): $(man_headers) $(man_sources)
	$(AM_V_GEN)rm -rf docs/man/man3 && $(MKDIR_P) docs/man/man3 && \
	DOXYGEN='$(DOXYGEN)' $(SHELL) $(srcdir)/docs/man/xml $(srcdir) docs/man/man3/xml && \
	$(PYTHON) -B $(srcdir)/docs/man/manual.py pages docs/man/man3/xml $(srcdir)/include \
		$(srcdir)/docs/man/pages docs/man/man3 $(PACKAGE_VERSION) '$(man_date)' && \
	rm -rf docs/man/man3/xml && touch $@
endif
if !HAVE_MANUAL
$(man3_stamp):
	@echo 'Section 3 of the manual is made with doxygen and python3, of which configure' \
		'found not both.' >&2; exit 1
endif

# Where the pages are: made here, or unpacked.
man3_dir = `test -e $(man3_stamp) || echo $(srcdir)/`docs/man/man3

.PHONY: install-man3 uninstall-man3 dist-man3 clean-man3
install-man3: $(man3_stamp)
	@$(MKDIR_P) '$(DESTDIR)$(mandir)/man3'
	@for page in $(man3_dir)/*.3; do \
		name=`basename "$$page" .3`; \
		sed 's|^\(\.so man3/.*\)\.3$$|\1.$(MAN3_SUFFIX)|' "$$page" \
			>'$(DESTDIR)$(mandir)/man3'/"$$name.$(MAN3_SUFFIX)" && \
		chmod 644 '$(DESTDIR)$(mandir)/man3'/"$$name.$(MAN3_SUFFIX)" || exit; \
	done

uninstall-local: uninstall-man3
uninstall-man3:
	@for page in $(man3_dir)/*.3; do \
		rm -f '$(DESTDIR)$(mandir)/man3'/"`basename "$$page" .3`.$(MAN3_SUFFIX)"; \
	done

dist-hook: dist-man3
dist-man3: $(man3_stamp)
	$(MKDIR_P) $(distdir)/docs/man/man3
	cp -f $(man3_dir)/*.3 $(man3_dir)/stamp $(distdir)/docs/man/man3

# Pages that are part of an archive stay.
clean-local: clean-man3
clean-man3:
	test '$(srcdir)' = . || rm -rf docs/man/man3
