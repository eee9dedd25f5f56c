/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file listen.h
 * Serving a socket that a service manager listens on: socket activation.
 *
 * A service manager (systemd.socket(5) and others) binds the address, starts the program
 * when the first client comes, and passes the listening descriptor. The address has to be
 * one that clients try:
 *
 *     ListenStream=@NAME       clients that are this library
 *     ListenStream=DIR/NAME    all clients, when they use filesystem sockets
 *
 * DIR is what the library was configured with (--with-socket-dir; /var/run, on Debian
 * /tmp); clients use filesystem sockets when the file named by
 * --with-force-sockets-config-file exists.
 *
 * NAME is the name given to qb_ipcs_create(). The address that a service binds itself is
 * abstract too, but padded with zeros to the end, which a unit file cannot express; a
 * client tries that address first and then @NAME. qb_ipcs_run() logs a warning when the
 * descriptor is bound to none of the three. examples/activated.socket is a unit to begin with.
 */
#ifndef QBIPC_LISTEN_H_DEFINED
#define QBIPC_LISTEN_H_DEFINED

#include <qb/qbipcs.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * Serve the clients of a descriptor that listens already, instead of binding the name of
 * the service. It becomes close-on-exec and non-blocking. The service closes it at its
 * end, also when qb_ipcs_run() fails, and leaves its address as it is: nothing is
 * unlinked, and a process that keeps a copy of the descriptor keeps the queue of clients. One
 * process at a time accepts clients there: a client on native shared memory connects twice.
 *
 * @param s   service that was not run yet
 * @param fd  a unix stream socket that listens; the service's on success, the caller's
 *            after an error
 * @return    0; -EBADF no descriptor; -ENOTSOCK no socket; -EPROTOTYPE no unix stream
 *            socket; -EINVAL it does not listen, or a NULL service; -EBUSY the service has
 *            a descriptor, runs or has run
 * @note      Threads: before qb_ipcs_run(), any one thread.
 */
int qbipc_service_listen_fd_set(qb_ipcs_service_t *s, int fd);

/**
 * Find a descriptor that the service manager passed to this process: the protocol of
 * sd_listen_fds(3), read from LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, which stay as
 * they are. All descriptors that were passed become close-on-exec.
 *
 * @param name  as FileDescriptorName= of the unit says, by default the name of the unit
 *              (foo.socket); NULL: the first one, whatever its name
 * @return      the descriptor, to be used once: the library does not remember that it was
 *              returned; -ENOENT this process was passed none of that name; -EINVAL the
 *              variables are invalid; -EBADF a descriptor is not there
 * @note        Threads: any, while none changes the environment.
 */
int qbipc_listen_fd(const char *name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
