# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154 # the variables are shared with other scripts
#
# What is asked of a running node.

preload_checks()
{
	check "calls of corosync go to the library: $daemons_preloaded" \
		bound "$daemons_preloaded" qb_ipcs_create daemon corosync -v
	check "calls of pacemaker's daemons go to the library: $daemons_preloaded" \
		bound "$daemons_preloaded" qb_ipcs_create daemon pacemakerd --version
	check "calls of corosync's tools go to the library: $tools_preloaded" \
		bound "$tools_preloaded" qb_ipcc_connect tool corosync-cmapctl -h
	check "calls of pacemaker's tools go to the library: $tools_preloaded" \
		bound "$tools_preloaded" qb_ipcc_connect tool cibadmin --version
}

corosync_checks()
{
	check "the node is a member of its own cluster" \
		wait_until 20 says 'Quorate:  *Yes' tool corosync-quorumtool -s
	check "the configuration is listed" \
		says '^totem.cluster_name (str) = check' tool corosync-cmapctl
	check "a key is written" tool corosync-cmapctl -s check.key str 'some text'
	check "the key is read" says '= some text$' tool corosync-cmapctl -g check.key
	check "a change is announced" cmap_change_is_announced
	check "the key is deleted" tool corosync-cmapctl -d check.key
	check "a deleted key is not found" refused tool corosync-cmapctl -g check.key
	check "the counters of a connection are published" \
		says '^stats.ipcs.*\.requests .* = [1-9]' tool corosync-cmapctl -m stats
	check "the links are listed" says '127.0.0.1' tool corosync-cfgtool -s
	check "the nodes are listed" says "$node" tool corosync-quorumtool -l
	check "the configuration is read again" tool corosync-cfgtool -R
	check "keys are loaded from a file" load_keys
	check "iterations at once do not mix" iterations_at_once
}

load_keys()
{
	printf 'check.first str one\ncheck.second u32 7\n' >keys &&
		tool corosync-cmapctl -p keys &&
		says '= 7$' tool corosync-cmapctl -g check.second &&
		tool corosync-cmapctl -D check. &&
		refused tool corosync-cmapctl -g check.first
}

# Clients that go through different parts of the map, one step per request.
iterations_at_once()
{
	tool corosync-cmapctl nodelist. >nodes || return
	rm -f nodes.* links.*
	pids=''
	for i in $(seq 12); do
		tool corosync-cmapctl nodelist. >"nodes.$i" &
		pids="$pids $!"
		tool corosync-cfgtool -s >"links.$i" &
		pids="$pids $!"
		tool corosync-cmapctl >/dev/null &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || return
	done
	for i in $(seq 12); do
		cmp nodes "nodes.$i" && grep -q 127.0.0.1 "links.$i" || return
	done
}

# A tool that waits for events, and runs long enough to look into its memory.
cmap_change_is_announced()
{
	rm -f tracker.in && mkfifo tracker.in
	tool stdbuf -oL corosync-cmapctl -t check.key <tracker.in >tracker.out 2>&1 &
	tracker=$!
	exec 5>tracker.in
	tracked=1
	wait_until 10 grep -q 'to finish' tracker.out || tracked=0
	for value in one two three; do
		tool corosync-cmapctl -s check.key str "$value" &&
			wait_until 10 grep -q "= $value" tracker.out || tracked=0
	done
	mapped "$tools_preloaded" "$(pidof corosync-cmapctl)" || tracked=0
	echo q >&5
	exec 5>&-
	ends_within 10 $tracker || tracked=0
	cat tracker.out
	[ $tracked = 1 ]
}

pacemaker_checks()
{
	check "the node becomes the designated controller" \
		wait_until 60 says 'dc-uuid="1"' tool cibadmin --query
	check "the node is online" wait_until 20 says 'Online: .*node1' tool crm_mon -1
	check "the controller answers" says "$node" tool crmadmin -D
	check "the nodes are listed" says "1 $node member" tool crm_node -l
	check "the process groups are listed" says 'crmd' tool corosync-cpgtool
	check "the controller is asked for its state" says ': ok$' tool crmadmin -S "$node"
	check "the name of the node is asked for" says "^$node$" tool crm_node -n
	check "the configuration is verified" tool crm_verify -L
	check "the state is told as XML" says '<node ' tool crm_mon -1 --output-as xml
	check "a cluster option is written" tool crm_attribute -n check-option -v 17
	check "the cluster option is read" says 'value=17' tool crm_attribute -n check-option -G
	check "an attribute of a node is written for good" \
		tool crm_attribute -N "$node" -n check-lasting -v 19
	check "the attribute of a node is read" \
		says 'value=19' tool crm_attribute -N "$node" -n check-lasting -G
	check "the attribute of a node is deleted" \
		tool crm_attribute -N "$node" -n check-lasting -D
	check "a node attribute is written" tool attrd_updater -n check-attribute -U 23
	check "the node attribute is read" \
		wait_until 10 says 'value="23"' tool attrd_updater -n check-attribute -Q
	check "a section of 60 kB is written" write_large_section
	check "the section of 60 kB is read" large_section_is_complete
	check "40 queries in a row" many_queries
	check "8 queries at once" queries_at_once
	check "tools of every daemon at once" tools_at_once
	check "a user outside the group is refused" \
		refused tool_as nobody nogroup cibadmin --query
	check "a member of the group is served" \
		says '<cib ' tool_as nobody haclient cibadmin --query
	check "the fencer answers" says 'No devices\|0 fence' tool stonith_admin --list-registered
	check "the fencer tells what it has done" tool stonith_admin --history '*'
	check "a resource is created" tool cibadmin --create -o resources --xml-text \
		'<primitive id="rsc" class="ocf" provider="pacemaker" type="Dummy"/>'
	check "the resource is started" \
		wait_until 30 says 'is running on: node1' tool crm_resource -r rsc --locate
	check "the cluster settles" tool crm_resource --wait -T 30s
	check "the resource is removed" tool cibadmin --delete -o resources \
		--xml-text '<primitive id="rsc"/>'
	check "the resource is stopped" \
		wait_until 30 says 'No active resources' tool crm_mon -1
}

# What happens when processes end without a word.
loss_checks()
{
	check "a killed daemon is replaced" killed_daemon_is_replaced
	check "the replaced daemon serves" wait_until 30 tool attrd_updater -n lost -U 5
	check "what it serves is read" \
		wait_until 30 says 'value="5"' tool attrd_updater -n lost -Q
	check "clients that are killed disturb nobody" killed_clients
	check "no daemon is busy afterwards" nobody_is_busy
}

killed_daemon_is_replaced()
{
	killed_daemons=$(pidof pacemaker-attrd)
	kill -KILL "$killed_daemons"
	wait_until 30 daemon_other_than "$killed_daemons" pacemaker-attrd
}

# Clients that listen, and clients in the middle of something.
killed_clients()
{
	for _ in $(seq 10); do
		rm -f monitor.html monitor.pid
		tool crm_mon --daemonize --pid-file monitor.pid --output-as html \
			--output-to monitor.html || return
		wait_until 10 test -s monitor.html || return
		wait_until 10 test -s monitor.pid || return
		monitor=$(cat monitor.pid)
		kill -0 "$monitor" || return
		# No command in between: the shell would collect a query that has ended.
		LD_PRELOAD=$tool_preload cibadmin --query >killed.xml 2>&1 &
		kill -KILL $! || echo "a query was faster"
		kill -KILL "$monitor" || return
		wait $!
	done
	tool cibadmin --query | grep -q 'id="large-799"'
}

# Busy: more than half of a second of CPU time within one second.
nobody_is_busy()
{
	cpu_ticks >ticks.before
	sleep 1
	cpu_ticks >ticks.after
	limit=$(($(getconf CLK_TCK) / 2))
	join ticks.before ticks.after | awk -v limit=$limit '
		$3 - $2 > limit { print "busy: process " $1; busy = 1 }
		END { exit busy || !NR }'
}

# PID and CPU time of corosync and of everything of pacemaker
cpu_ticks()
{
	for pid in $(pidof corosync pacemakerd pacemaker-based pacemaker-fenced \
		pacemaker-execd pacemaker-attrd pacemaker-schedulerd pacemaker-controld); do
		awk '{ sub(/.*\)/, ""); print '"$pid"', $12 + $13 }' "/proc/$pid/stat"
	done | sort
}

write_large_section()
{
	awk 'BEGIN {
		print "<cluster_property_set id=\"large\">"
		for (i = 0; i < 800; i++)
			printf "<nvpair id=\"large-%d\" name=\"check-%d\"" \
				" value=\"%040d\"/>\n", i, i, i
		print "</cluster_property_set>"
	}' >large.xml
	[ "$(wc -c <large.xml)" -gt 60000 ] &&
		tool cibadmin --create -o crm_config --xml-file large.xml
}

large_section_is_complete()
{
	tool cibadmin --query -o crm_config >read.xml &&
		[ "$(grep -c 'id="large-' read.xml)" -eq 800 ]
}

many_queries()
{
	for _ in $(seq 40); do
		tool cibadmin --query >query.xml || return
		grep -q 'id="large-799"' query.xml || return
	done
}

tools_at_once()
{
	pids='' failures=''
	for i in 1 2 3 4; do
		for command in 'cibadmin --query' 'crm_mon -1' 'crm_node -l' 'crmadmin -D' \
			"attrd_updater -n at-once -U $i" 'stonith_admin -L' \
			corosync-cpgtool 'corosync-quorumtool -s'; do
			# shellcheck disable=SC2086 # split into words
			tool $command >"at-once.$i.${command%% *}" 2>&1 &
			pids="$pids $! $i.${command%% *}"
		done
	done
	# shellcheck disable=SC2086 # pairs of words
	set -- $pids
	while [ $# -gt 0 ]; do
		wait "$1" || failures="$failures at-once.$2"
		shift 2
	done
	# shellcheck disable=SC2086 # names of files
	[ -z "$failures" ] || { tail -n 3 /dev/null $failures; return 1; }
}

queries_at_once()
{
	pids=''
	for i in $(seq 8); do
		tool cibadmin --query >"query-$i.xml" &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || return
	done
	[ "$(cat query-?.xml | grep -c 'id="large-799"')" -eq 8 ]
}
