# The wake-up protocol, searched with spin, and the code of the ring, searched with relacy;
# each says why when that is not there.
model_scripts = tests/model/test-wakeup tests/model/test-weak-order
dist_check_SCRIPTS += $(model_scripts)
TESTS += $(model_scripts)
EXTRA_DIST += \
	tests/model/events.pml \
	tests/model/memory.pml \
	tests/model/requests.pml \
	tests/model/responses.pml \
	tests/model/ring.pml \
	tests/model/two-words.pml \
	tests/model/weak-order.c \
	tests/model/weak-order.cc \
	tests/model/weak-order.h
