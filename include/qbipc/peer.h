/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file peer.h
 * The process at the other end of a connection, as reported by the kernel.
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
 * The other end. qbipc_peer_free() releases groups, label and pidfd; to keep the
 * descriptor, copy it and set the field to -1.
 */
struct qbipc_peer {
	size_t size;	 /**< sizeof(struct qbipc_peer), set by the caller */
	pid_t pid;	 /**< process */
	uid_t uid;	 /**< effective user */
	gid_t gid;	 /**< effective group */
	int pidfd;	 /**< refers to the process even after the number is used
				     again; close-on-exec; -1: the kernel (before 6.5)
				     cannot tell for certain, or the process is gone */
	size_t n_groups; /**< supplementary groups */
	gid_t *groups;	 /**< NULL when there are none */
	char *label;	 /**< security label (SELinux, AppArmor, Smack); "" without */
};

/**
 * Get the credentials of the client. All fields are as of the client's connect: the
 * service does not notice when the process changes its user or passes the connection on.
 *
 * @param c     connection
 * @param peer  filled in up to its size, which the caller has set; untouched on failure
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
 * Get the credentials of the server. pid, uid and gid are those of the process that
 * answered, as of its answer. The kernel reports the other fields only for the process that
 * called listen(2): when that is a different one, as with socket activation, there are no
 * groups, an empty label and no pidfd.
 *
 * @param c     connection
 * @param peer  filled in up to its size, which the caller has set; untouched on failure
 * @return      as qbipc_connection_peer_get(); -ENOTCONN before
 *              qb_ipcc_connect_continue() succeeded
 * @note        Threads: any.
 */
int qbipc_client_peer_get(qb_ipcc_connection_t *c, struct qbipc_peer *peer);

/**
 * Release the resources of a struct qbipc_peer and leave it empty. Idempotent.
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
