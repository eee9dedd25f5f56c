/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which library a test has loaded. */
#ifndef QBIPC_TESTS_LIB_LOADED_H
#define QBIPC_TESTS_LIB_LOADED_H

/* Ends the program when it is another than that of this build; runs before main(). */
void loaded_verify(void);

#endif
