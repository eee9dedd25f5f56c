/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What compat-server does with a listening socket that was passed to it. */
#ifndef COMPAT_LISTEN_H
#define COMPAT_LISTEN_H

#include <qb/qbipcs.h>

/* Serve it, if there is one and the library can. 0 or -errno. */
int compat_listen(qb_ipcs_service_t *s);

#endif
