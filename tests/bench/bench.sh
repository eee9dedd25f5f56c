#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs every row of the benchmark with every pairing of client and server, and prints the
# medians side by side. The pairings take turns within a run, so that a machine that gets
# slower does so for all of them: read the ratios, not the absolute figures.
set -u

usage()
{
	cat <<-END
	usage: bench.sh [--libqb PEER] --qbipc PEER [options]
	  --quick           short measurements, three runs
	  --runs N          runs; the figures are medians of them (default 5)
	  --time MS         how long a row is measured in each run (default 300)
	  --rows PATTERNS   only these, for instance 'roundtrip* memory'
	  --types TYPES     transports (default 'shm socket')
	  --format FORMAT   text (default), markdown or json
	  --others LIST     also what LIST names, lines "NAME PROGRAM" (see others/build.sh)
	  --raw FILE        keep every single figure in FILE
	  --curves DIR      instead of the rows, two curves over shared memory, each
	                    library with itself: round trips by message size, and calls
	                    per second by number of clients; drawings go to DIR
	END
	exit 2
}

libqb="" qbipc="" others="" raw="" curves=""
runs=5 time=300 rows="*" types="shm socket" format=text
while [ $# -gt 0 ]; do
	case $1 in
	--quick) runs=3 time=100; shift; continue ;;
	--libqb | --qbipc | --runs | --time | --rows | --types | --format | --others | \
		--raw | --curves) ;;
	*) usage ;;
	esac
	[ $# -ge 2 ] || usage
	case $1 in
	--libqb) libqb=$2 ;;
	--qbipc) qbipc=$2 ;;
	--runs) runs=$2 ;;
	--time) time=$2 ;;
	--rows) rows=$2 ;;
	--types) types=$2 ;;
	--format) format=$2 ;;
	--others) others=$2 ;;
	--raw) raw=$2 ;;
	--curves) curves=$2 others="" types=shm ;;
	esac
	shift 2
done
[ -n "$qbipc" ] || usage
[ -z "$curves" ] || mkdir -p "$curves" || exit

here=$(dirname "$0")
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
figures=${raw:-$scratch/figures}
: >"$figures"

# row_wanted ROW: does one of the patterns match?
row_wanted()
{
	set -f
	for pattern in $rows; do
		# shellcheck disable=SC2254 # patterns are meant
		case $1 in $pattern) set +f; return 0 ;; esac
	done
	set +f
	return 1
}

peer_of()
{
	case $1 in libqb) echo "$libqb" ;; *) echo "$qbipc" ;; esac
}

# servers_of CLIENT: the libraries that it is measured with
servers_of()
{
	[ -n "$curves" ] && echo "$1" || echo "$libraries"
}

# measure TYPE ROW CLIENT SERVER: lines "TYPE ROW CLIENT>SERVER METRIC VALUE UNIT"
measure()
{
	if "$(peer_of "$3")" --server "$(peer_of "$4")" --type "$1" --time "$time" "$2" \
		>"$scratch/out"; then
		sed "s/^/$1 $2 $3>$4 /" "$scratch/out" >>"$figures"
	else
		echo "bench: $1 $2 failed with client $3 and server $4" >&2
	fi
}

# measure_others ROW: the same lines with type "other" and the name in the third place
measure_others()
{
	while read -r name program; do
		if [ "$program" = skipped ]; then
			[ $run -gt 1 ] || echo "bench: $name is not installed" >&2
		elif "$program" --time "$time" "$1" >"$scratch/out"; then
			sed "s/^/other $1 $name /" "$scratch/out" >>"$figures"
		else
			echo "bench: $name failed" >&2
		fi
	done <"$others"
}

machine()
{
	cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
	version=$(pkg-config --modversion libqb 2>/dev/null || echo absent)
	echo "${cpu:-unknown CPU}, $(getconf _NPROCESSORS_ONLN) CPUs;" \
		"$(uname -sr); libqb $version; $runs runs of $time ms"
}

libraries=${libqb:+libqb }qbipc
run=0
while [ $run -lt "$runs" ]; do
	run=$((run + 1))
	echo "bench: run $run of $runs" >&2
	for row in $("$qbipc" "--list${curves:+-curves}"); do
		row_wanted "$row" || continue
		for type in $types; do
			for client in $libraries; do
				for server in $(servers_of "$client"); do
					measure "$type" "$row" "$client" "$server"
				done
			done
		done
	done
	for row in ${others:+roundtrip-64 oneway-64}; do
		row_wanted "$row" && measure_others "$row"
	done
done
if [ -n "$curves" ]; then
	awk -v dir="$curves" -v machine="$(machine)" \
		-f "$here/figures.awk" -f "$here/curves.awk" "$figures"
else
	awk -v format="$format" -v machine="$(machine)" \
		-f "$here/figures.awk" -f "$here/report.awk" "$figures"
fi
