# The command-line tool, and what it needs of the library: questions to a service.
if HAVE_CHECK
check_PROGRAMS += tests/tool/test-inquiry tests/tool/test-inquirer
endif
tool_ldadd = tests/lib/libtestlib.la lib/libqbipc.la $(CHECK_LIBS) -lpthread

tests_tool_test_inquiry_SOURCES = \
	tests/tool/fake.c \
	tests/tool/fake.h \
	tests/tool/test-inquiry.c
tests_tool_test_inquiry_LDADD = $(tool_ldadd)
tests_tool_test_inquirer_SOURCES = \
	tests/tool/fake.c \
	tests/tool/fake.h \
	tests/tool/test-inquirer.c
tests_tool_test_inquirer_LDADD = $(tool_ldadd)
