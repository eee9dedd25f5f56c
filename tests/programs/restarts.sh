#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Pacemaker's tools while its daemons restart: each daemon is killed in turn and replaced by
# pacemakerd. With the library preloaded in all processes (on the native wire and on
# libqb's), in the daemons only, and in the tools only; without it first. Over shared memory
# alone: over sockets Pacemaker as installed does not get over the loss of a daemon.
#
# usage: restarts.sh [MODE/TRANSPORT...]
#	modes: none, all, libqb-wire, daemons, tools; transports: shm, socket
set -u
here=$(dirname "$0")
# shellcheck source=modes.sh
. "$here/modes.sh"

require corosync corosync-cmapctl pacemakerd cibadmin crm_mon
getent passwd hacluster >/dev/null || skip "there is no user hacluster"
[ $# -gt 0 ] || set -- none/shm all/shm libqb-wire/shm daemons/shm tools/shm
run_modes "$here/restarts-inside.sh" 240 "$@"
