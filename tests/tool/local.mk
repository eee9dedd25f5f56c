# The command-line tool, and what it needs of the library: questions to a service.
if HAVE_CHECK
check_PROGRAMS += \
	tests/tool/test-describe \
	tests/tool/test-describer \
	tests/tool/test-inquiry \
	tests/tool/test-inquirer \
	tests/tool/test-monitor \
	tests/tool/test-monitorer \
	tests/tool/test-terminal \
	tests/tool/test-timing \
	tests/tool/test-watch \
	tests/tool/test-watcher
endif
tests_tool_test_inquiry_SOURCES = \
	tests/tool/ask.c tests/tool/fake.c tests/tool/test-inquiry.c
tests_tool_test_inquirer_SOURCES = tests/tool/fake.c tests/tool/test-inquirer.c
tests_tool_test_describe_SOURCES = tests/tool/test-describe.c
tests_tool_test_describer_SOURCES = tests/tool/fake.c tests/tool/test-describer.c
tests_tool_test_monitorer_SOURCES = tests/tool/fake.c tests/tool/test-monitorer.c
tests_tool_test_timing_SOURCES = tests/tool/ask.c tests/tool/test-timing.c
tests_tool_test_watch_SOURCES = tests/tool/ask.c tests/tool/fake.c tests/tool/test-watch.c
tests_tool_test_watcher_SOURCES = tests/tool/fake.c tests/tool/test-watcher.c

tool_scripts = \
	tests/tool/test-bench \
	tests/tool/test-call \
	tests/tool/test-completion \
	tests/tool/test-metrics \
	tests/tool/test-monitoring \
	tests/tool/test-qbipc \
	tests/tool/test-services
dist_check_SCRIPTS += $(tool_scripts)
TESTS += $(tool_scripts)
EXTRA_DIST += tests/tool/offer.zsh tests/tool/tool.sh

# What the scripts look at.
noinst_PROGRAMS += tests/tool/bodies-server tests/tool/listener
if HAVE_LIBQB
noinst_PROGRAMS += tests/tool/echo-server-libqb
endif
tests_tool_echo_server_libqb_SOURCES = examples/echo-server.c
tests_tool_echo_server_libqb_CPPFLAGS = $(LIBQB_CFLAGS)
tests_tool_echo_server_libqb_LDADD = $(LIBQB_LIBS)
