#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One node whose daemons are killed one after the other, inside the namespaces that
# restarts.sh made.
# usage: restarts-inside.sh none|all|libqb-wire|daemons|tools shm|socket LIBRARY
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

killed_daemons=''

# Each asks other daemons.
tools='crm_mon -1
stonith_admin --list-registered
attrd_updater -n check -U 1
attrd_updater -n check -Q
cibadmin --query
crm_resource --list
crm_node -l'

# every_tool COMMAND: with each line of the list as arguments, until one fails
every_tool()
{
	echo "$tools" >tools.list
	while read -r line <&4; do
		# shellcheck disable=SC2086 # split into words
		"$@" $line || { echo "failed: $line"; return 1; }
	done 4<tools.list
}

# crm_node (2.1.5) removes a source of events twice if a daemon ends at the wrong moment, and
# aborts over that; with libqb as well.
double_removal='fatal assertion .* : Source ID [0-9]* was not found when attempting to remove it'

# That abort is as good as a refusal. Any other leaves its core here.
asked()
{
	mkdir -p asked
	asked_output=$(cd asked && tool "$@" 2>&1 </dev/null)
	asked_status=$?
	printf '%s\n' "$asked_output"
	if [ $asked_status -eq 134 ] && echo "$asked_output" | grep -q "$double_removal"; then
		rm -f asked/core
		asked_status=1
	fi
	return $asked_status
}

serves()
{
	wait_until 60 asked "$@"
}

# Served or refused, as the daemon is there or not: an end by itself, within its time.
answers()
{
	asked "$@"
	answers_status=$?
	[ $answers_status -lt 124 ] || { echo "status $answers_status"; return 1; }
}

settled()
{
	wait_until 60 says 'dc-uuid="1"' tool cibadmin --query >/dev/null &&
		wait_until 60 says 'Online: .*node1' tool crm_mon -1 >/dev/null &&
		wait_until 60 says 'S_IDLE: ok$' tool crmadmin -S "$node"
}

# One that stays, shows attributes of nodes, and connects anew after each loss.
monitor_starts()
{
	tool crm_mon --daemonize --pid-file monitor.pid --show-node-attributes \
		--interval 1 --output-as html --output-to monitor.html &&
		wait_until 20 grep -q "$node" monitor.html &&
		mapped "$tools_preloaded" "$(monitor_pid)"
}

monitor_pid()
{
	tr -d ' \n' <monitor.pid
}

# monitor_shows VALUE
monitor_shows()
{
	tool attrd_updater -n shown -U "$1" && wait_until 60 grep -q "shown: $1<" monitor.html
}

monitor_stops()
{
	monitor=$(monitor_pid) && kill -TERM "$monitor" &&
		wait_until 10 process_gone "$monitor"
}

# Tools run from the moment of the loss, while others take part at the same time.
daemon_is_lost()
{
	killed=$(pidof "pacemaker-$1") || return
	killed_daemons="$killed_daemons $killed"
	while [ -e tools.run ]; do
		answers cibadmin --query >/dev/null 2>&1 || : >tools.failed
	done &
	beside=$!
	kill -KILL "$killed"
	every_tool answers >answers.out 2>&1
	lost_status=$?
	tail -n 3 answers.out
	wait_until 30 daemon_other_than "$killed" "pacemaker-$1" || lost_status=1
	rm -f tools.run
	wait $beside
	: >tools.run
	[ $lost_status -eq 0 ] && [ ! -e tools.failed ]
}

restart_checks()
{
	check "a resource is created" tool cibadmin --create -o resources --xml-text \
		'<primitive id="rsc" class="ocf" provider="pacemaker" type="Dummy"/>'
	check "the resource is started" \
		wait_until 30 says 'is running on: node1' tool crm_resource -r rsc --locate
	check "every tool is served" every_tool serves
	check "a monitor stays" monitor_starts
	: >tools.run
	value=100
	for name in $pacemaker_daemons; do
		value=$((value + 1))
		check "tools end by themselves while $name is replaced" daemon_is_lost "$name"
		check "every tool is served again after the loss of $name" every_tool serves
		check "the cluster settles after the loss of $name" settled
		check "the monitor goes on after the loss of $name" monitor_shows $value
	done
	check "every daemon has the library: $daemons_preloaded" children_mapped
	check "the resource is running" \
		wait_until 60 says 'is running on: node1' tool crm_resource -r rsc --locate
	check "the monitor stops" monitor_stops
	check "nothing dumped core" no_core
}

# pacemakerd asks corosync before it replaces a daemon. The end of another daemon, of which
# there are several after the loss of based, interrupts libqb's qb_ipcc_connect() there, and
# then pacemakerd does not replace the first one, for good. This tells nothing of a library
# that only the tools have: the run is to be repeated (modes.sh). With the library it is a
# failure.
repeat_if_given_up()
{
	exec 3>&1
	trap 'echo "repeat - pacemakerd has given up a daemon" >&3; exit 1' USR1
	(
		until grep -q 'Not respawning .* until cluster returns' "$pacemaker_log"; do
			sleep 0.2
		done
		kill -USR1 $$
	) 2>/dev/null &
}

no_core()
{
	! find /run/check /var/lib/pacemaker /var/lib/corosync -type f -name 'core*' | grep .
}

preload_choose "$1"
sandbox_enter "$3" && cluster_prepare || exit
# Pacemaker asks the kernel who is behind a connection to corosync: not over sockets.
corosync_start shm
pacemaker_start "$2"
[ "$daemons_preloaded" = yes ] || repeat_if_given_up
check "the cluster settles" settled
restart_checks
pacemaker_stop
corosync_stop
echo "complete"
