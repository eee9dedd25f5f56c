#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One corosync and those who use it, inside the namespaces that corosync.sh made.
# usage: corosync-inside.sh none|all|libqb-wire|daemons|tools shm|socket LIBRARY
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
# shellcheck source=corosync-watchers.sh
. "$here/corosync-watchers.sh"
# shellcheck source=corosync-recording.sh
. "$here/corosync-recording.sh"

# What sam-process prints; each line but the last ones comes from a child of its own.
sam_restarts_expected()
{
	for instance in 1 2 3 4; do
		echo "instance $instance"
		echo "kept from instance $((instance - 1))"
		echo "registered: stopped"
		echo "counted: $instance"
		echo "started: running"
		[ $instance -ne 2 ] || echo "healthy: running"
	done
	printf '%s\n' "stopped: stopped" end
}

# sam_run restarts|marked: the output in sam.out, the process in sam_process
sam_run()
{
	tool ./sam-process "$1" >sam.log 2>&1
	sam_status=$?
	sam_process=$(sed -n 's/^process //p' sam.log)
	grep -v -e '^process' -e '^\[debug\]' sam.log >sam.out
	cat sam.log
	return $sam_status
}

sam_restarts()
{
	sam_run restarts || return
	sam_restarts_expected | diff - sam.out
}

# It ends at once, and what it leaves in the map is for corosync's watchdog.
sam_marks_its_failure()
{
	sam_run marked
	says 'state (str) = failed' tool corosync-cmapctl "resources.process.$sam_process"
}

messages=400

# Four members of a group; one of them is killed in the middle of what it says.
group_runs()
{
	rm -f member.*
	member_pids=''
	for member in 1 2 3; do
		LD_PRELOAD=$tool_preload timeout -s KILL 60 ./cpg-member 4 $messages \
			>"member.$member" 2>&1 &
		member_pids="$member_pids $!"
	done
	LD_PRELOAD=$tool_preload ./cpg-member 4 0 >member.lost 2>&1 &
	lost=$!
	wait_until 30 has_lines member.lost $((messages / 2)) || return
	mapped "$tools_preloaded" $lost && kill -KILL $lost || return
	for pid in $member_pids; do
		wait "$pid" || { tail -n 3 member.*; return 1; }
	done
	wait $lost
	[ $? -eq 137 ]
}

has_lines()
{
	[ "$(wc -l <"$1")" -ge "$2" ]
}

# deliveries FILE: without what libraries say
deliveries()
{
	grep -v '^\[debug\]' "$1"
}

same_order()
{
	for member in 1 2 3; do
		deliveries "member.$member" >"order.$member"
	done
	cmp order.1 order.2 && cmp order.1 order.3 || return
	# The killed member had come as far as it had, with its last line perhaps cut off.
	deliveries member.lost | sed '$d' >order.lost
	head -n "$(wc -l <order.lost)" order.1 | cmp - order.lost
}

counts_complete()
{
	awk -v n=$messages '
		/^from/ { count[$2]++ }
		END {
			for (pid in count) {
				print pid, count[pid]
				complete += count[pid] == n
			}
			exit complete != 3
		}' order.1
}

client_checks()
{
	check "notifyd starts" notifyd_starts
	check "notifyd tells of each client that comes and goes" notifyd_tells
	check "notifyd knows the clients of each service apart" notifyd_pairs
	check "notifyd stops" notifyd_stops
	check "the keys of clients come and go with them" keys_come_and_go
	check "they are those of each service" keys_complete
	check "counters are those of the client, to the last" counters_kept
	check "processes under sam use the map in turn" sam_restarts
	check "a process under sam marks its failure" sam_marks_its_failure
	check "a member of a group of four is killed" group_runs
	check "the others got the same messages in the same order" same_order
	check "and all of them" counts_complete
	check "and were told of the loss" says "^left: $lost, reason 5" cat order.1
	check "no key of a client is left" no_keys_left
	[ "$daemons_preloaded" = no ] || recording_checks
}

preload_choose "$1"
sandbox_enter "$3" && mount_empty /var/lib/corosync 755 || exit
cp "$programs"/* . || exit
corosync_start "$2"
check "the node is quorate" wait_until 20 says 'Quorate:  *Yes' tool corosync-quorumtool -s
client_checks
corosync_stop
echo "complete"
