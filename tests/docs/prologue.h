/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests/docs/test-blocks puts before a block of C in a document that is not a whole
 * file: headers, and things that the text around has introduced.
 */
#ifndef TESTS_DOCS_PROLOGUE_H
#define TESTS_DOCS_PROLOGUE_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

extern qb_loop_t *loop;		     /* the program's */
extern qb_ipcs_service_t *service;   /* a server's, before qb_ipcs_run() */
extern qb_ipcs_connection_t *client; /* one of its connections */
extern qb_ipcc_connection_t *c;	     /* a client's */

#endif
