#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian's corosync and pacemaker, as they are, with this library preloaded: in all of
# their processes, in the daemons only, and in the tools only; each over shared memory
# and over sockets. The same checks without any preload come first: where they fail, the
# programs cannot run here, and that is reported as skipped.
#
# usage: cluster.sh [MODE/TRANSPORT...]
#	modes: none, all, daemons, tools; transports: shm, socket
set -u
here=$(dirname "$0")
library=${QBIPC_LIBRARY:-lib/.libs/libqbipc.so.0}

skip()
{
	echo "1..0 # skipped: $*"
	exit 77
}

[ "$(id -u)" -eq 0 ] || skip "needs root"
for program in corosync corosync-cmapctl pacemakerd cibadmin unshare setpriv ip timeout; do
	command -v $program >/dev/null || skip "$program is not installed"
done
getent passwd hacluster >/dev/null || skip "there is no user hacluster"
unshare --mount --pid --net --ipc --uts --fork --mount-proc true 2>/dev/null ||
	skip "namespaces are not allowed here"
[ -f "$library" ] || { echo "Bail out! $library is missing"; exit 1; }

lines=$(mktemp) || exit 1
trap 'rm -f "$lines"' EXIT

# run_mode MODE/TRANSPORT: numbers its lines, counting on; fails if one does or the run broke off
run_mode()
{
	timeout -k 5 240 unshare --mount --pid --net --ipc --uts --fork --kill-child \
		--mount-proc sh "$here/cluster-inside.sh" "${1%/*}" "${1#*/}" "$library" >"$lines" 2>&1
	awk -v mode="$1" -v n="$number" '
		/^(not )?ok - / { sub(/ok - /, "ok " ++n " - " mode ": ") }
		/^not ok/ { failed = 1 }
		/^complete$/ { complete = 1; next }
		/^(not )?ok / { print; next }
		{ sub(/^#?/, "#"); print }
		END {
			if (!complete)
				print "not ok " ++n " - " mode ": ran to the end"
			exit failed || !complete
		}' "$lines"
	mode_status=$?
	number=$((number + $(grep -Ec '^(not )?ok - ' "$lines")))
	grep -q '^complete$' "$lines" || number=$((number + 1))
	return $mode_status
}

number=0 failed=0
[ $# -gt 0 ] || set -- none/shm all/shm daemons/shm tools/shm \
	none/socket all/socket daemons/socket tools/socket
for mode; do
	run_mode "$mode" && continue
	[ "$mode" = "${mode#none/}" ] || skip "corosync and pacemaker do not run here as they are"
	failed=1
done
echo "1..$number"
exit $failed
