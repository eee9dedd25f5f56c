# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154 # the variables are shared with other scripts
#
# Start and end of corosync.

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

# A daemon that was killed could not clean up, and pacemaker's other daemons do not end
# the connections they had to it.
shared_memory_empty()
{
	rm -rf "/dev/shm/qb-${killed_daemon:-none}-"*
	directory_empty /dev/shm
}
