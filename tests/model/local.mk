# The wake-up protocol, searched with spin; says why when that is not there.
model_scripts = tests/model/test-wakeup
dist_check_SCRIPTS += $(model_scripts)
TESTS += $(model_scripts)
EXTRA_DIST += \
	tests/model/events.pml \
	tests/model/memory.pml \
	tests/model/requests.pml \
	tests/model/responses.pml \
	tests/model/ring.pml \
	tests/model/two-words.pml
