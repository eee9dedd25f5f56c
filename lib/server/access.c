/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/access.h"

#include <unistd.h>

#include "base/peer.h"
#include "base/util.h"

#define OWNER_RW 0600
#define GROUP_RW 0060

/* Is @gid among the peer's supplementary groups, as of its connect? */
static bool peer_is_in_group(int stream, gid_t gid)
{
	_cleanup_(qbi_freep) gid_t *groups = NULL;
	size_t i, n;

	if (qbi_peer_groups(stream, &groups, &n) < 0)
		return false;
	for (i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

bool qbi_access_granted(int stream, const struct ucred *peer, const struct qbi_owner *owner)
{
	uid_t uid = owner->uid == (uid_t)-1 ? geteuid() : owner->uid;
	gid_t gid = owner->gid == (gid_t)-1 ? getegid() : owner->gid;

	if (peer->uid == 0)
		return true;
	/* The first class that matches decides, even if a later one would grant more. */
	if (peer->uid == uid)
		return (owner->mode & OWNER_RW) == OWNER_RW;
	if (peer->gid == gid || peer_is_in_group(stream, gid))
		return (owner->mode & GROUP_RW) == GROUP_RW;
	return false;
}

bool qbi_access_is_trusted(int stream, const struct ucred *peer)
{
	return (peer->uid == 0 || peer->uid == geteuid()) &&
	       qbi_peer_is_in_our_namespace(stream, peer->pid);
}
