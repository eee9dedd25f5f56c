/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the requests that pass through a service, if it allows monitors. */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <qbipc/monitor.h>

int main(int argc, char **argv)
{
	struct qbipc_monitor_options requests = { .size = sizeof(requests),
						  .kinds = 1u << QBIPC_MONITOR_REQUEST };
	struct qbipc_monitor_record r = { .size = sizeof(r) };
	qbipc_monitor_t *monitor;
	int error_number;

	if (argc != 2)
		error(2, 0, "usage: monitor-client NAME");
	error_number = qbipc_monitor_open(argv[1], &requests, 1000, &monitor);
	if (error_number < 0)
		error(1, -error_number, "cannot monitor '%s'", argv[1]);
	while ((error_number = qbipc_monitor_next(monitor, -1, &r)) == 0) {
		if (r.kind == QBIPC_MONITOR_REQUEST)
			printf("pid %d: id %d, %llu bytes\n", (int)r.pid, r.id,
			       (unsigned long long)r.message_size);
		fflush(stdout);
	}
	qbipc_monitor_close(monitor);
	return error_number == -ENOTCONN ? 0 : 1;
}
