/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owner and mode of the files that the client of a connection opens. */
#ifndef QBI_BASE_OWNER_H
#define QBI_BASE_OWNER_H

#include <sys/types.h>

struct qbi_owner {
	uid_t uid;   /* (uid_t)-1: leave as it is */
	gid_t gid;   /* (gid_t)-1: leave as it is */
	mode_t mode; /* permission bits of the files */
};

#endif
