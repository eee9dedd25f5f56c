/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row of the table: the client is the library this is linked to, the servers are
 * the builds of compat-server for both. Each cell is a case; at the end every cell has a
 * line with its counts. libqb on both sides is the control: what fails there is shown
 * and not counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/compat/cell.h"
#include "tests/lib/variant.h"

enum { CELLS_MAX = 16 };

static char cell_names[CELLS_MAX][96];

static bool cell_is_control(int cell)
{
	return !strcmp(client_library, "libqb") && !strcmp(cells[cell].server, "libqb");
}

static void cell_name(int cell)
{
	snprintf(cell_names[cell], sizeof(cell_names[cell]),
		 "%s client, %s server, %s%s, %s address", client_library, cells[cell].server,
		 cells[cell].native ? "native " : "", cells[cell].transport,
		 cells[cell].filesystem ? "filesystem" : "abstract");
}

static void cell_add(Suite *s, int cell)
{
	TCase *tc = tcase_new(s, cell_names[cell]);

	add_message_tests(tc, cell);
	add_event_tests(tc, cell);
	add_ending_tests(tc, cell);
	add_file_tests(tc, cell);
	add_activation_tests(tc, cell);
	add_turn_tests(tc, cell);
}

/* The line of one cell; how many of its tests count as failed. */
static int cell_report(TestResult **results, int n, int cell)
{
	int passed = 0, failed = 0;

	for (int i = 0; i < n; i++) {
		if (strcmp(tr_tcname(results[i]), cell_names[cell]) != 0)
			continue;
		if (tr_rtype(results[i]) == CK_PASS)
			passed++;
		else
			failed++;
	}
	if (cells[cell].filesystem && !passed && !failed)
		printf("cell skipped (needs root and mount namespaces): %s\n",
		       cell_names[cell]);
	else
		printf("cell %d passed, %d failed%s: %s\n", passed, failed,
		       cell_is_control(cell) ? " (control, not counted)" : "",
		       cell_names[cell]);
	return cell_is_control(cell) ? 0 : failed;
}

int main(void)
{
	Suite *s = suite_create(client_library);
	bool privileged = cell_is_privileged();
	TestResult **results;
	int failed = 0, n;
	SRunner *sr;

	for (int cell = 0; cell < cell_count; cell++) {
		if (!cell_exists(cell))
			continue;
		cell_name(cell);
		if (!cells[cell].filesystem || privileged)
			cell_add(s, cell);
	}
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	results = srunner_results(sr);
	n = srunner_ntests_run(sr);
	for (int cell = 0; cell < cell_count; cell++)
		if (cell_exists(cell))
			failed += cell_report(results, n, cell);
	free(results);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
