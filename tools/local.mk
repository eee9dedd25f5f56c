# The library's directory is known to make only: libdir contains other variables.
bin_SCRIPTS += tools/qbipc-run
EXTRA_DIST += tools/qbipc-run.in
CLEANFILES += tools/qbipc-run

tools/qbipc-run: tools/qbipc-run.in Makefile
	$(AM_V_GEN)$(MKDIR_P) tools && \
	$(SED) -e 's|@libdir[@]|$(libdir)|g' -e 's|@PACKAGE_VERSION[@]|$(PACKAGE_VERSION)|g' \
		$(srcdir)/tools/qbipc-run.in >$@.tmp && \
	chmod +x $@.tmp && mv $@.tmp $@

include $(srcdir)/tools/qbipc/local.mk
include $(srcdir)/tools/completion/local.mk
