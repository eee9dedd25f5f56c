/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* connect-libqb NAME: a client of libqb that says a byte when it has connected, and stays. */
#include <qb/qbipcc.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	qb_ipcc_connection_t *c = argc == 2 ? qb_ipcc_connect(argv[1], 0) : NULL;
	char byte = 0;

	if (!c || write(1, &byte, 1) != 1 || read(0, &byte, 1) != 0)
		return 1;
	qb_ipcc_disconnect(c);
	return 0;
}
