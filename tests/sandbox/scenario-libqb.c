/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run with libqb: scenario-libqb TYPE END CALL ERROR LIMIT_MS. The status is its steps. */
#include <stdlib.h>

#include "tests/sandbox/scenario.h"

int main(int argc, char **argv)
{
	if (argc != 6)
		return 0;
	return scenario_run((enum qb_ipc_type)atoi(argv[1]), (enum scenario_end)atoi(argv[2]),
			    atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
}
