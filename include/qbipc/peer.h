/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file peer.h
 * Who is at the other end of a connection, as the kernel tells it.
 */
#ifndef QBIPC_PEER_H_DEFINED
#define QBIPC_PEER_H_DEFINED

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * The other end. qbipc_peer_free() gives back what groups, label and pidfd hold; to keep
 * the descriptor, take it and set the field to -1.
 */
struct qbipc_peer {
	size_t size;	/**< sizeof(struct qbipc_peer), set by the caller */
	pid_t pid;		/**< process */
	uid_t uid;		/**< effective user */
	gid_t gid;		/**< effective group */
	int pidfd;		/**< refers to the process even after the number is used
				     again; close-on-exec; -1: the kernel (before 6.5)
				     cannot tell for certain, or the process is gone */
	size_t n_groups;	/**< supplementary groups */
	gid_t *groups;		/**< NULL when there are none */
	char *label;		/**< security label (SELinux, AppArmor, Smack); "" without */
};

/**
 * Who is the client? All of it is as of the client's connect: a process that changed its
 * user since, or passed the connection on, is not noticed.
 *
 * @param c     connection
 * @param peer  has its size set and is filled as far as that goes; untouched on failure
 * @return      0; -ENOTCONN the connection has ended: what is still known is its uid and
 *              gid as connection_accept got them; -EMFILE, -ENFILE no descriptor for the
 *              pidfd; -ENOMEM; -EINVAL for a NULL argument or a size that no
 *              version of the struct has
 * @note        The pidfd is the kernel's own (SO_PEERPIDFD). One opened by number could be
 *              another process's by now, so there is none of that kind here: a program
 *              that accepts this calls pidfd_open(2) with pid.
 * @note        From connection_accept on, until connection_closed is called.
 * @note        Threads: any that holds a reference.
 */
int qbipc_connection_peer_get(qb_ipcs_connection_t *c, struct qbipc_peer *peer);

/**
 * Who is the server? pid, uid and gid are those of the process that answered, as of its
 * answer. The kernel tells the rest only of the process that began to listen: when that is
 * another, as with socket activation, there are no groups, an empty label and no pidfd.
 *
 * @param c     connection
 * @param peer  has its size set and is filled as far as that goes; untouched on failure
 * @return      as qbipc_connection_peer_get(); -ENOTCONN before
 *              qb_ipcc_connect_continue() succeeded
 * @note        Threads: any.
 */
int qbipc_client_peer_get(qb_ipcc_connection_t *c, struct qbipc_peer *peer);

/**
 * Give back what a struct qbipc_peer holds and leave it empty. Twice is once.
 *
 * @param peer  filled in by one of the functions above; NULL is fine
 * @note        Threads: any.
 */
void qbipc_peer_free(struct qbipc_peer *peer);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
