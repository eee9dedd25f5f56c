#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One corosync and its client, inside the namespaces that bench.sh made. Prints lines
# "figure ROW METRIC VALUE UNIT", and "complete".
# usage: inside.sh none|all|daemons|tools SITUATION LIBRARY shm|socket CALLS MS
set -u
here=$(dirname "$0")
programs=$here/../../programs
# shellcheck source=../../programs/tap.sh
. "$programs/tap.sh"
# shellcheck source=../../programs/sandbox.sh
. "$programs/sandbox.sh"
# shellcheck source=../../programs/preload.sh
. "$programs/preload.sh"
# shellcheck source=../../programs/cluster-config.sh
. "$programs/cluster-config.sh"
# shellcheck source=../../programs/cluster-run.sh
. "$programs/cluster-run.sh"

situation=$2 transport=$4 calls=$5 ms=$6

# The nth of the CPUs that this shell may use, from 1, or the last one.
cpu()
{
	taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | while IFS=- read -r first last; do
		seq "$first" "${last:-$first}"
	done | sed -n "$1p;\$p" | head -n 1
}

# on CPU: this shell, and what it starts from now on; none: stay where they may be
on()
{
	[ -z "$1" ] || taskset -pc "$1" $$ >/dev/null
}

# figures ROW ARGUMENT...: of the client with these
figures()
{
	row=$1
	shift
	check "$row" measured "$@" || return
	sed "s/^/figure $row /" measured.out
}

measured()
{
	timeout -k 1 120 env LD_PRELOAD="$tool_preload" ./load "$@" "$corosync" >measured.out &&
		[ "$(grep -cE '^[a-z0-9-]+ [0-9.e+-]+ [a-z/]+$' measured.out)" -eq 5 ]
}

preload_choose "$1"
sandbox_enter "$3" && mount_empty /var/lib/corosync 755 || exit
cp "$bench_load" load || exit

daemon_cpu="" client_cpu=""
case $situation in
one-cpu) daemon_cpu=$(cpu 1) client_cpu=$daemon_cpu ;;
apart) daemon_cpu=$(cpu 2) client_cpu=$(cpu 1) ;;
esac
usable=$(taskset -pc $$ | sed 's/.*: //')
on "$daemon_cpu"
corosync_start "$transport"
on "$usable"
check "the node is quorate" wait_until 20 says 'Quorate:  *Yes' tool corosync-quorumtool -s ||
	give_up
on "$client_cpu"
if [ "$situation" = busy ]; then
	for _ in $(seq $(($(nproc) * 2))); do
		./load busy &
	done
fi
failed=0
figures get get "$calls" || failed=1
for size in 64 1024 8192 65536; do
	figures cpg-$size cpg $size "$ms" || failed=1
done
[ $failed -eq 0 ] && echo complete
