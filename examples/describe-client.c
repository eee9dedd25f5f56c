/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints which messages a service takes, if it has a table of handlers. */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <qbipc/describe.h>

int main(int argc, char **argv)
{
	struct qbipc_description_handler h = { .size = sizeof(h) };
	qbipc_description_t *description;
	uint32_t i;
	int r;

	if (argc != 2)
		error(2, 0, "usage: describe-client NAME");
	r = qbipc_describe(argv[1], 1000, &description);
	if (r < 0)
		error(1, -r, "cannot ask '%s'", argv[1]);
	for (i = 0; qbipc_description_handler_get(description, i, &h) == 0; i++)
		printf("%d: %s, from %llu bytes on%s\n", h.id, h.name ? h.name : "no name",
		       (unsigned long long)h.min_size,
		       h.flags & QBIPC_HANDLER_ONE_WAY ? ", no response" : "");
	qbipc_description_free(description);
	return 0;
}
