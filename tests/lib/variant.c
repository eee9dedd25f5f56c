/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/variant.h"

#include <signal.h>
#include <stdlib.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

enum { TEST_TIMEOUT_S = 60 };

const struct variant variants[] = {
	{ "native shm", QB_IPC_SHM, false, &adapter_qb_loop },
	{ "native socket", QB_IPC_SOCKET, false, &adapter_qb_loop },
	{ "shm", QB_IPC_SHM, true, &adapter_qb_loop },
	{ "socket", QB_IPC_SOCKET, true, &adapter_qb_loop },
	{ "native shm, glib-like", QB_IPC_SHM, false, &adapter_glib_like },
	{ "native socket, glib-like", QB_IPC_SOCKET, false, &adapter_glib_like },
	{ "shm, glib-like", QB_IPC_SHM, true, &adapter_glib_like },
	{ "socket, glib-like", QB_IPC_SOCKET, true, &adapter_glib_like },
};
const int variant_count = sizeof(variants) / sizeof(variants[0]);
const int transport_count = sizeof(variants) / sizeof(variants[0]) / 2;

TCase *tcase_new(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, census_setup, census_teardown);
	tcase_set_timeout(tc, TEST_TIMEOUT_S * test_slowdown());
	suite_add_tcase(s, tc);
	return tc;
}

int suite_main(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	signal(SIGPIPE, SIG_DFL);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
