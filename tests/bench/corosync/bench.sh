#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# corosync as it is installed, with this library preloaded into it and its client, and without:
# reads of the map, and messages of a group with one member, in four situations. The figures
# are those of load.c, medians of the runs; bounds of ../bounds apply.
#
# usage: bench.sh [--quick] [--runs N] [--situations LIST] [--transport shm|socket]
#	[--pairs own|all] [--raw FILE] [--format FORMAT]
#	situations: free, one-cpu (both ends on one), apart (each end on one of its own),
#	busy (beside two processes per CPU that never sleep)
set -u
LC_ALL=C
export LC_ALL
here=$(dirname "$0")
library=${QBIPC_LIBRARY:-lib/.libs/libqbipc.so.0}

misused()
{
	echo "bench-corosync: $*" >&2
	sed -n '/^# usage/,/^set/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
	exit 2
}

unable()
{
	echo "bench-corosync: $*" >&2
	exit 1
}

all_situations="free one-cpu apart busy"
runs=3 calls=20000 ms=500 situations=$all_situations transport=shm pairs=own raw="" format=text
while [ $# -gt 0 ]; do
	case $1 in
	--quick) runs=1 calls=2000 ms=100; shift; continue ;;
	--runs | --situations | --transport | --pairs | --raw | --format) ;;
	*) misused "$1: there is no such option" ;;
	esac
	[ $# -ge 2 ] || misused "$1: nothing given"
	case $1 in
	--runs) runs=$2 ;;
	--situations) situations=$2 ;;
	--transport) transport=$2 ;;
	--pairs) pairs=$2 ;;
	--raw) raw=$2 ;;
	--format) format=$2 ;;
	esac
	shift 2
done
case $runs in "" | *[!0-9]* | 0*) misused "--runs: $runs: not a number above 0" ;; esac
case $transport in shm | socket) ;; *) misused "--transport: $transport: not one of shm socket" ;; esac
for situation in $situations; do
	case " $all_situations " in
	*" $situation "*) ;;
	*) misused "--situations: $situation: not one of $all_situations" ;;
	esac
done
case $format in
text | markdown | csv | json) ;;
*) misused "--format: $format: not one of text markdown csv json" ;;
esac
# Pairs are CLIENT>SERVER; the modes are those of ../../programs/preload.sh.
case $pairs in
own) modes="none=libqb>libqb all=qbipc>qbipc" ;;
all) modes="none=libqb>libqb all=qbipc>qbipc tools=qbipc>libqb daemons=libqb>qbipc" ;;
*) misused "--pairs: $pairs: not one of own all" ;;
esac

[ "$(id -u)" -eq 0 ] || unable "needs root"
for program in unshare taskset ip timeout corosync corosync-cfgtool corosync-quorumtool; do
	command -v $program >/dev/null || unable "$program is not installed"
done
[ -f "$library" ] || unable "$library is missing"
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
bench_load=$scratch/load
${CC:-cc} -O2 -D_GNU_SOURCE -o "$bench_load" "$here/load.c" "$here/../figures.c" \
	"$here/../../../tools/measure/histogram.c" -lcmap -lcpg ||
	unable "the client cannot be built: libcmap-dev and libcpg-dev are needed"
export bench_load
figures=${raw:-$scratch/figures}
: >"$figures" || exit

# measure MODE=WHO SITUATION
measure()
{
	if timeout -k 5 300 unshare --mount --pid --net --ipc --uts --fork --kill-child \
		--mount-proc sh "$here/inside.sh" "${1%%=*}" "$2" "$library" "$transport" \
		"$calls" "$ms" >"$scratch/out" 2>&1 && grep -q '^complete$' "$scratch/out"; then
		sed -n "s/^figure \([^ ]*\) /corosync-$transport \1-$2 ${1#*=} /p" \
			"$scratch/out" >>"$figures"
	else
		echo "bench-corosync: $2 failed with ${1#*=}:" >&2
		sed 's/^/# /' "$scratch/out" >&2
	fi
}

run=0
while [ $run -lt "$runs" ]; do
	run=$((run + 1))
	echo "bench-corosync: run $run of $runs" >&2
	for situation in $situations; do
		for mode in $modes; do
			measure "$mode" "$situation"
		done
	done
done
[ -s "$figures" ] || unable "nothing was measured"
version=$(corosync -v | sed -n 's/.*version \(.*\)$/\1/p' | tr -d "'")
"$here/../bench.sh" --from "$figures" --format "$format" --title \
	"corosync ${version:-unknown}; $(getconf _NPROCESSORS_ONLN) CPUs; $(uname -sr); $runs runs of $calls calls, and of $ms ms"
