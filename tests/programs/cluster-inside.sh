#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One cluster node from start to end, inside the namespaces that cluster.sh made.
# usage: cluster-inside.sh none|all|libqb-wire|daemons|tools shm|socket LIBRARY
set -u
here=$(dirname "$0")
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=sandbox.sh
. "$here/sandbox.sh"
# shellcheck source=preload.sh
. "$here/preload.sh"
# shellcheck source=cluster-config.sh
. "$here/cluster-config.sh"
# shellcheck source=cluster-run.sh
. "$here/cluster-run.sh"
# shellcheck source=cluster-checks.sh
. "$here/cluster-checks.sh"

preload_choose "$1"
sandbox_enter "$3" && cluster_prepare || exit
preload_checks
if [ "$2" = socket ]; then
	corosync_start socket
	corosync_checks
	corosync_stop
fi
# Pacemaker asks the kernel who is behind a connection to corosync: not over sockets.
corosync_start shm
corosync_checks
pacemaker_start "$2"
pacemaker_checks
check "nothing crashed" nothing_crashed
loss_checks
pacemaker_stop
corosync_stop
echo "complete"
