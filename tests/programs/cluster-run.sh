# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154 # the variables are shared with other scripts
#
# Start and end of corosync and of pacemaker.

# give_up: the rest of the checks would only repeat the failure
give_up()
{
	for log in "$corosync_log" "$pacemaker_log"; do
		echo "# last lines of $log"
		tail -n 30 "$log" 2>/dev/null | sed 's/^/#   /'
	done
	exit 1
}

# corosync_start shm|socket
corosync_start()
{
	corosync_configure "$1"
	daemon corosync -f -c "$corosync_config" &
	corosync=$!
	check "corosync starts over $1" wait_until 30 tool corosync-cfgtool -s || give_up
	check "corosync has the library: $daemons_preloaded" \
		mapped "$daemons_preloaded" "$corosync"
}

corosync_stop()
{
	check "corosync is told to stop" tool corosync-cfgtool -H
	check "corosync stops" ends_within 30 "$corosync" || give_up
	check "nothing is left in shared memory" shared_memory_empty
}

# Daemons that were killed could not clean up, and pacemaker's other daemons do not end the
# connections they had to them.
shared_memory_empty()
{
	for killed in ${killed_daemons:-}; do
		rm -rf "/dev/shm/qb-$killed-"*
	done
	# Of libcpg, not of its connections: a member that is killed leaves it behind.
	rm -f /dev/shm/corosync_zerocopy-*
	directory_empty /dev/shm
}

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

# daemon_other_than PID NAME: another process of that name has taken its place
daemon_other_than()
{
	new=$(pidof "$2") && [ "$new" != "$1" ]
}
