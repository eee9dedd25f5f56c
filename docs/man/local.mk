# Manual pages. Section 3 is made from the comments in the headers, with awk alone; the
# other sections are written by hand: each *.1 and *.7 here is installed.
#
#	make MAN3_SUFFIX=3qbipc	for a system where libqb's pages have the same names

# Of the release, so that pages do not depend on when they are made.
man_date = November 22, 2026
MAN3_SUFFIX = 3

man_headers := $(patsubst $(srcdir)/%,%,$(sort $(wildcard $(srcdir)/include/qb/*.h \
	$(srcdir)/include/qbipc/*.h)))
man_scripts = \
	docs/man/parse.awk \
	docs/man/families.awk \
	docs/man/mdoc.awk
EXTRA_DIST += $(man_scripts) docs/man/lint.awk docs/man/pages

man_awk = $(AWK) -v pages=$(srcdir)/docs/man/pages -v suffix=$(MAN3_SUFFIX) \
	-v version=$(PACKAGE_VERSION) -v date='$(man_date)' \
	-f $(srcdir)/docs/man/parse.awk -f $(srcdir)/docs/man/families.awk
man_from = $(patsubst %,$(srcdir)/%,$(man_headers))
man3_pages := $(addprefix docs/man/man3/,$(shell $(man_awk) -v list=1 \
	-f $(srcdir)/docs/man/mdoc.awk $(man_from)))

dist_man1_MANS = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/docs/man/*.1))
dist_man3_MANS = $(man3_pages)
dist_man7_MANS = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/docs/man/*.7))
man_pages = $(dist_man1_MANS) $(dist_man3_MANS) $(dist_man7_MANS)
CLEANFILES += $(man3_pages) $(man3_stamp)

man3_stamp = docs/man/man3.$(MAN3_SUFFIX).stamp
$(man3_pages): $(man3_stamp)

$(man3_stamp): $(man_headers) $(man_scripts) docs/man/pages docs/man/local.mk
	$(AM_V_GEN)rm -rf docs/man/man3 docs/man/man3.*.stamp && $(MKDIR_P) docs/man/man3 && \
	$(man_awk) -v out=docs/man/man3 -f $(srcdir)/docs/man/mdoc.awk $(man_from) && \
	touch $@
