/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In place of the tests of an adapter whose library is not there. */
#include <stdio.h>

int main(void)
{
	puts("1..0 # SKIP " MISSING " is not installed");
	return 0;
}
