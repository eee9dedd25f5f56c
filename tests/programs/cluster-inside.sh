#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One cluster node from start to end, inside the namespaces that cluster.sh made.
# usage: cluster-inside.sh none|all|daemons|tools LIBRARY
set -u
here=$(dirname "$0")
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=sandbox.sh
. "$here/sandbox.sh"
# shellcheck source=cluster-checks.sh
. "$here/cluster-checks.sh"

pacemaker_daemons='based fenced execd attrd schedulerd controld'

daemon_preload='' daemons_preloaded=no tool_preload='' tools_preloaded=no
case $1 in all | daemons) daemon_preload=$sandbox_library daemons_preloaded=yes ;; esac
case $1 in all | tools) tool_preload=$sandbox_library tools_preloaded=yes ;; esac

# give_up: the rest of the checks would only repeat the failure
give_up()
{
	for log in "$corosync_log" "$pacemaker_log"; do
		echo "# last lines of $log"
		tail -n 30 "$log" 2>/dev/null | sed 's/^/#   /'
	done
	exit 1
}

children_mapped()
{
	for name in $pacemaker_daemons; do
		mapped "$daemons_preloaded" "$(pidof "pacemaker-$name")" || return
	done
}

directory_empty()
{
	ls -lR "$1"
	[ -z "$(ls -A "$1")" ]
}

nothing_crashed()
{
	! grep -E 'terminated with signal|Respawning|dumped core' "$pacemaker_log" &&
		! find /run/check /var/lib/pacemaker /var/lib/corosync -type f -name '*core*' | grep .
}

sandbox_enter "$2" || exit 77
preload_checks
daemon corosync -f -c "$corosync_config" &
corosync=$!
check "corosync starts" wait_until 30 tool corosync-cfgtool -s || give_up
check "corosync has the library: $daemons_preloaded" mapped "$daemons_preloaded" "$corosync"
corosync_checks

daemon env PCMK_logfile="$pacemaker_log" pacemakerd &
pacemakerd=$!
check "pacemaker starts" wait_until 60 tool cibadmin --query || give_up
pacemaker_checks
check "pacemaker has the library: $daemons_preloaded" mapped "$daemons_preloaded" "$pacemakerd"
check "pacemaker's daemons have the library: $daemons_preloaded" children_mapped

kill -TERM "$pacemakerd"
check "pacemaker stops" ends_within 60 "$pacemakerd" || give_up
check "corosync is told to stop" tool corosync-cfgtool -H
check "corosync stops" ends_within 30 "$corosync" || give_up
check "nothing is left in shared memory" directory_empty /dev/shm
check "nothing crashed" nothing_crashed
echo "complete"
