# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154 # the variables are shared with other scripts
#
# What a client says to the map of a corosync with the library, which its environment lets
# monitors see: recorded, and said once more to the same corosync.

the_tool()
{
	LD_LIBRARY_PATH=$qbipc_path timeout -k 1 60 "$qbipc" "$@"
}

recording_starts()
{
	LD_LIBRARY_PATH=$qbipc_path "$qbipc" monitor --record map.pcapng cmap \
		>recording.out 2>&1 &
	recording=$!
	wait_until 20 test -s map.pcapng || { cat recording.out; return 1; }
}

# When no connection is left, all that was said has been shown.
map_is_alone()
{
	the_tool watch --once --json cmap | grep -q '"connections": \[\]'
}

client_is_recorded()
{
	tool corosync-cmapctl -g totem.cluster_name && wait_until 20 map_is_alone &&
		kill -TERM $recording && wait $recording || { cat recording.out; return 1; }
}

conversation_is_the_same()
{
	the_tool replay --headers map.pcapng cmap >replay.out 2>&1
	replay_status=$?
	cat replay.out
	[ $replay_status -eq 0 ] && ! grep -q '^responses: 0 same' replay.out
}

recording_checks()
{
	check "a monitor records what is said to the map" recording_starts
	check "a client says something" client_is_recorded
	check "said once more, the answers are the same" conversation_is_the_same
}
