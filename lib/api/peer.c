/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/peer.h>: check the arguments, collect data from the kernel. */
#include "base/peer.h"

#include <errno.h>
#include <qbipc/peer.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "base/util.h"
#include "client/connection.h"
#include "server/connection.h"

#define PEER_INIT                                                                              \
	{                                                                                      \
		.size = sizeof(struct qbipc_peer), .pidfd = -1                                 \
	}

static const struct qbipc_peer nobody = PEER_INIT;

static void peer_deinit(struct qbipc_peer *p)
{
	free(p->groups);
	free(p->label);
	qbi_close(p->pidfd);
}

void qbipc_peer_free(struct qbipc_peer *peer)
{
	if (qbi_sized_check(peer) < 0)
		return;
	if (QBI_SIZED_HAS(peer, pidfd))
		qbi_close(peer->pidfd);
	if (QBI_SIZED_HAS(peer, groups))
		free(peer->groups);
	if (QBI_SIZED_HAS(peer, label))
		free(peer->label);
	(void)qbi_sized_give(peer, &nobody, sizeof(nobody));
}

/* Move the fields that exist in @theirs, which may be of an older program, to it. */
static void peer_give(struct qbipc_peer *theirs, struct qbipc_peer *p)
{
	(void)qbi_sized_give(theirs, p, sizeof(*p));
	if (QBI_SIZED_HAS(theirs, pidfd))
		p->pidfd = -1;
	if (QBI_SIZED_HAS(theirs, groups))
		p->groups = NULL;
	if (QBI_SIZED_HAS(theirs, label))
		p->label = NULL;
}

/* Fill in *@ret from @cred and, if @of_socket, from @fd; unchanged on failure. */
static int peer_collect(int fd, const struct ucred *cred, bool of_socket,
			struct qbipc_peer *ret)
{
	_cleanup_(peer_deinit) struct qbipc_peer p = PEER_INIT;
	int r = 0;

	p.pid = cred->pid;
	p.uid = cred->uid;
	p.gid = cred->gid;
	if (of_socket) {
		r = qbi_peer_groups(fd, &p.groups, &p.n_groups);
		if (r == 0)
			r = qbi_peer_label(fd, &p.label);
		if (r == 0)
			r = qbi_peer_pidfd(fd, &p.pidfd);
	} else {
		p.label = strdup("");
		r = p.label ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	peer_give(ret, &p);
	return 0;
}

int qbipc_connection_peer_get(qb_ipcs_connection_t *c, struct qbipc_peer *peer)
{
	int r;

	if (!c)
		return qbi_misuse("the connection is NULL");
	if (qbi_sized_check(peer) < 0)
		return qbi_misuse("peer is NULL or its size is too small");
	/* The lock prevents that the socket is closed meanwhile. */
	qbi_mutex_lock(&c->send);
	r = c->stream.fd < 0 ? -ENOTCONN : peer_collect(c->stream.fd, &c->peer, true, peer);
	qbi_mutex_unlock(&c->send);
	return r;
}

int qbipc_client_peer_get(qb_ipcc_connection_t *c, struct qbipc_peer *peer)
{
	socklen_t size = sizeof(struct ucred);
	struct ucred listener;

	if (!c)
		return qbi_misuse("the connection is NULL");
	if (qbi_sized_check(peer) < 0)
		return qbi_misuse("peer is NULL or its size is too small");
	if (!c->end)
		return -ENOTCONN;
	if (getsockopt(c->stream, SOL_SOCKET, SO_PEERCRED, &listener, &size) < 0)
		return -errno;
	return peer_collect(c->stream, &c->server, listener.pid == c->server.pid, peer);
}
