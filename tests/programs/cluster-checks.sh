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
	check "a cluster option is written" tool crm_attribute -n check-option -v 17
	check "the cluster option is read" says 'value=17' tool crm_attribute -n check-option -G
	check "a node attribute is written" tool attrd_updater -n check-attribute -U 23
	check "the node attribute is read" \
		wait_until 10 says 'value="23"' tool attrd_updater -n check-attribute -Q
	check "a section of 60 kB is written" write_large_section
	check "the section of 60 kB is read" large_section_is_complete
	check "40 queries in a row" many_queries
	check "8 queries at once" queries_at_once
	check "a user outside the group is refused" \
		refused tool_as nobody nogroup cibadmin --query
	check "a member of the group is served" \
		says '<cib ' tool_as nobody haclient cibadmin --query
	check "the fencer answers" says 'No devices\|0 fence' tool stonith_admin --list-registered
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
