# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154 # the variables are shared with other scripts
#
# Those who are told of corosync's connections: corosync-notifyd, and what follows the keys
# below stats.ipcs, of which each connection has thirteen. Numbers of processes and the
# addresses that are part of the names differ from run to run; nothing else does.

# Services of corosync, as its keys number them: 0 the map, 1 configuration, 2 groups,
# 3 quorum, 5 votes.
client_tools='cmapctl: 0
cfgtool -s: 0 1
quorumtool -s: 0 1 3 5
cpgtool: 1 2
quorumtool -l: 0 1 3 5
cmapctl -m stats: 0'

# clients_come_and_go: the six tools, one after the other
clients_come_and_go()
{
	echo "$client_tools" | while IFS=: read -r client _; do
		# shellcheck disable=SC2086 # split into words
		tool corosync-$client >/dev/null </dev/null || { echo "failed: $client"; exit 1; }
	done
}

# expected_connections: "SERVICE NAME" of each; names have 15 characters
expected_connections()
{
	echo "$client_tools" | while IFS=: read -r client services; do
		name=corosync-${client%% *}
		for service in $services; do
			echo "$service $(echo "$name" | cut -c 1-15)"
		done
	done | sort
}

notifyd_starts()
{
	tool stdbuf -oL corosync-notifyd -f -o >notifyd.out 2>&1 &
	notifyd=$!
	wait_until 10 grep -q 'corosync-notify is now disconnected' notifyd.out &&
		mapped "$tools_preloaded" "$(pidof corosync-notifyd)"
}

# told VERB: "ADDRESS.PID.NAME" of all but notifyd's own
told()
{
	sed -n "s/.* \(0x[^ ]*\) is now $1 .*/\1/p" notifyd.out | grep -v 'corosync-notify$'
}

told_of()
{
	[ "$(told "$1" | wc -l)" -eq "$2" ]
}

notifyd_tells()
{
	connections=$(expected_connections | wc -l)
	clients_come_and_go &&
		wait_until 10 told_of connected "$connections" &&
		wait_until 10 told_of disconnected "$connections"
}

notifyd_pairs()
{
	cat notifyd.out
	told connected | sort >told.connected
	told disconnected | sort | cmp - told.connected || return
	sed 's/.*\.//' told.connected | sort >told.names
	expected_connections | sed 's/.* //' | sort | diff - told.names
}

notifyd_stops()
{
	kill -TERM "$(pidof corosync-notifyd)" && wait_until 10 process_gone "$notifyd"
	notifyd_stopped=$?
	wait "$notifyd"
	return $notifyd_stopped
}

# keys VERB: "SERVICE.PID.ADDRESS.KEY" of all that were announced
keys()
{
	sed -n "s/^$1> stats\.ipcs\.service\([^ ]*\) .*/\1/p" keys.out
}

keys_number()
{
	[ "$(keys "$1" | wc -l)" -eq "$2" ]
}

keys_come_and_go()
{
	rm -f keys.in
	mkfifo keys.in
	tool stdbuf -oL corosync-cmapctl -m stats -T stats.ipcs. <keys.in >keys.out 2>&1 &
	tracker=$!
	exec 5>keys.in
	number=$(($(expected_connections | wc -l) * 13))
	wait_until 10 grep -q 'to finish' keys.out &&
		clients_come_and_go &&
		wait_until 10 keys_number create $number &&
		wait_until 10 keys_number delete $number
	keys_status=$?
	echo q >&5
	exec 5>&-
	ends_within 10 $tracker && [ $keys_status = 0 ] || { tail -n 3 keys.out; return 1; }
	keys create | sort >keys.created
	keys delete | sort | cmp - keys.created
}

keys_complete()
{
	for key in dispatched flow_control flow_control_count invalid_request overload \
		procname queued queueing recv_retries requests responses send_retries sent
	do
		expected_connections | sed "s/ .*/.$key/"
	done | sort >keys.expected
	sed 's/^\([0-9]*\)\..*\./\1./' keys.created | sort | diff keys.expected -
}

# As many answers as requests, which the tools wait for; nothing is called twice.
counters_kept()
{
	awk '
		function value(key) { return $0 ~ "^delete.*\\." key " " }
		{ split($2, part, "."); client = part[3] part[4] part[5] }
		value("requests") { requests[client] = $NF }
		value("responses") { responses[client] = $NF }
		value("flow_control") || value("invalid_request") { bad += $NF != 0 }
		END {
			for (client in requests) {
				n += requests[client] > 0
				if (requests[client] != responses[client]) {
					print client, requests[client], responses[client]
					bad++
				}
			}
			exit bad || !n
		}' keys.out
}

# Only that of the tool which asks.
no_keys_left()
{
	wait_until 10 only_own_keys
}

only_own_keys()
{
	tool corosync-cmapctl -m stats stats.ipcs.service >keys.left || return
	cat keys.left
	[ "$(grep -c procname keys.left)" -eq 1 ]
}
