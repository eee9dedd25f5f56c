/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One conformance suite for all poll adapters: this is one program per adapter. */
#include "tests/adapters/loop.h"
#include "tests/lib/variant.h"

int main(void)
{
	Suite *s = suite_create(test_loop.name);

	add_descriptor_tests(s);
	add_removal_tests(s);
	add_job_tests(s);
	add_loop_tests(s);
	add_service_tests(s);
	add_scarcity_tests(s);
	add_client_tests(s);
	add_call_tests(s);
	return suite_main(s);
}
