#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One cluster node from start to end, inside the namespaces that cluster.sh made.
# usage: cluster-inside.sh none|all|daemons|tools shm|socket LIBRARY
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

pacemaker_daemons='based fenced execd attrd schedulerd controld'

children_mapped()
{
	for name in $pacemaker_daemons; do
		mapped "$daemons_preloaded" "$(pidof "pacemaker-$name")" || return
	done
}

nothing_crashed()
{
	! grep -E 'terminated with signal|Respawning|dumped core' "$pacemaker_log" &&
		! find /run/check /var/lib/pacemaker /var/lib/corosync -type f -name '*core*' | grep .
}

pacemaker_start()
{
	case $1 in shm) ipc_type=shared-mem ;; socket) ipc_type=socket ;; esac
	daemon env PCMK_logfile="$pacemaker_log" PCMK_ipc_type="$ipc_type" pacemakerd &
	pacemakerd=$!
	check "pacemaker starts over $1" wait_until 60 tool cibadmin --query || give_up
	check "pacemaker has the library: $daemons_preloaded" \
		mapped "$daemons_preloaded" "$pacemakerd"
	check "pacemaker's daemons have the library: $daemons_preloaded" \
		wait_until 20 children_mapped
}

pacemaker_stop()
{
	kill -TERM "$pacemakerd"
	check "pacemaker stops" ends_within 60 "$pacemakerd" || give_up
}

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
