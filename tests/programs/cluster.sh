#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# corosync and pacemaker as installed, with this library preloaded: in all of their
# processes, in the daemons only, and in the tools only; each over shared memory and over
# sockets. The same checks without any preload come first.
#
# usage: cluster.sh [MODE/TRANSPORT...]
#	modes: none, all, daemons, tools; transports: shm, socket
set -u
here=$(dirname "$0")
# shellcheck source=modes.sh
. "$here/modes.sh"

require corosync corosync-cmapctl pacemakerd cibadmin
getent passwd hacluster >/dev/null || skip "there is no user hacluster"
[ $# -gt 0 ] || set -- none/shm all/shm daemons/shm tools/shm \
	none/socket all/socket daemons/socket tools/socket
run_modes "$here/cluster-inside.sh" 240 "$@"
