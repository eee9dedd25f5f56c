#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs every row of the benchmark with each library, and prints the medians side by side, how
# far the runs lie apart, and which of the bounds hold. The libraries take turns within a run,
# so that a machine that gets slower does so for both: read the ratios, not the absolute
# figures.
set -u
LC_ALL=C
export LC_ALL

usage()
{
	cat >&2 <<-END
	usage: bench.sh [--libqb PEER] --qbipc PEER [options]
	       bench.sh --from FILE [--title TEXT] [--format FORMAT] [--bounds FILE]
	       bench.sh --from FILE [--title TEXT] --curves DIR
	  --quick           a look: one short run, less than a minute
	  --full            five long runs, and clients of one library with servers of the other
	  --runs N          runs; the figures are medians of them (default 3)
	  --time MS         how long a row is measured in each run (default 200); rows of few
	                    messages take a multiple of it
	  --rows PATTERNS   only these, for instance 'roundtrip* memory'
	  --types TYPES     transports (default 'shm socket')
	  --pairs own|all   each library with itself (default), or with the other one, too
	  --format FORMAT   text (default), markdown, csv or json
	  --bounds FILE     what must hold (default: bounds, beside this script)
	  --floor PROGRAM   also what the machine allows, by this program
	  --others LIST     also what LIST names, lines "NAME PROGRAM" (see others/build.sh)
	  --raw FILE        keep every single figure in FILE
	  --from FILE       measure nothing; tell of the figures in FILE
	  --title TEXT      what to say of them
	  --curves DIR      instead of the rows, curves over shared memory, each library with
	                    itself; drawings go to DIR. Of the rows paced calls make one, too
	END
	exit 2
}

misused()
{
	echo "bench: $*" >&2
	usage
}

here=$(dirname "$0")
libqb="" qbipc="" floor="" others="" raw="" from="" title="" curves="" bounds=$here/bounds
runs=3 time=200 rows="*" types="shm socket" pairs=own format=text

# number OPTION VALUE
number()
{
	case $2 in
	"" | *[!0-9]* | 0*) misused "$1: $2: not a number above 0" ;;
	esac
}

# one_of OPTION LIST VALUE...: all of them are in the list
one_of()
{
	option=$1 list=$2
	shift 2
	[ $# -gt 0 ] || misused "$option: nothing given"
	for value; do
		case " $list " in
		*" $value "*) ;;
		*) misused "$option: $value: not one of $list" ;;
		esac
	done
}

while [ $# -gt 0 ]; do
	case $1 in
	--quick) runs=1 time=50; shift; continue ;;
	--full) runs=5 time=500 pairs=all; shift; continue ;;
	--libqb | --qbipc | --runs | --time | --rows | --types | --pairs | --format | --bounds | \
		--floor | --others | --raw | --from | --title | --curves) ;;
	*) misused "$1: there is no such option" ;;
	esac
	[ $# -ge 2 ] || misused "$1: nothing given"
	case $1 in
	--libqb) libqb=$2 ;;
	--qbipc) qbipc=$2 ;;
	--runs) number "$1" "$2"; runs=$2 ;;
	--time) number "$1" "$2"; time=$2 ;;
	--rows) rows=$2 ;;
	--types)
		# shellcheck disable=SC2086 # a list of words
		one_of "$1" "shm socket" $2
		types=$2 ;;
	--pairs) one_of "$1" "own all" "$2"; pairs=$2 ;;
	--format) one_of "$1" "text markdown csv json" "$2"; format=$2 ;;
	--bounds) bounds=$2 ;;
	--floor) floor=$2 ;;
	--others) others=$2 ;;
	--raw) raw=$2 ;;
	--from) from=$2 ;;
	--title) title=$2 ;;
	--curves) curves=$2 ;;
	esac
	shift 2
done
[ -n "$qbipc$from" ] || usage
[ -z "$curves" ] || types=shm pairs=own others="" floor=""
[ -z "$curves" ] || mkdir -p "$curves" || exit
for file in "$bounds" ${from:+"$from"}; do
	[ -r "$file" ] || { echo "bench: $file: cannot be read" >&2; exit 1; }
done

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
figures=${from:-${raw:-$scratch/figures}}
[ -n "$from" ] || : >"$figures" || exit

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
	[ "$pairs" = own ] && echo "$1" || echo "$libraries"
}

# once WORDS: said in the first run
once()
{
	[ $run -gt 1 ] || echo "bench: $*" >&2
}

# measure TYPE ROW CLIENT SERVER: lines "TYPE ROW CLIENT>SERVER METRIC VALUE UNIT"
measure()
{
	# libqb's server cannot lend.
	case $2,$3,$4 in lent-*,qbipc,libqb) return ;; esac
	"$(peer_of "$3")" --server "$(peer_of "$4")" --type "$1" --time "$time" "$2" \
		>"$scratch/out"
	case $? in
	0) sed "s/^/$1 $2 $3>$4 /" "$scratch/out" >>"$figures" ;;
	77) # Of libqb none of these is built, which everybody knows.
		[ "$4" = libqb ] || once "$1 $2: there is no such loop here" ;;
	*) echo "bench: $1 $2 failed with client $3 and server $4" >&2 ;;
	esac
}

# measure_program NAME TYPE ROW PROGRAM: the same lines, with the name in the third place
measure_program()
{
	if "$4" --time "$time" "$3" >"$scratch/out"; then
		sed "s/^/$2 $3 $1 /" "$scratch/out" >>"$figures"
	else
		echo "bench: $1 failed" >&2
	fi
}

measure_others()
{
	while read -r name program; do
		if [ "$program" = skipped ]; then
			once "$name is not installed"
		else
			measure_program "$name" other "$1" "$program"
		fi
	done <"$others"
}

# floor_of ROW...: which of the floor's rows belong to these
floor_of()
{
	for floor_row in $("$floor" --list); do
		case " $* " in
		*" $floor_row"*) echo "$floor_row" ;;
		*" roundtrip"*) [ "$floor_row" != line ] || echo line ;;
		esac
	done
}

machine()
{
	cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
	version=$(pkg-config --modversion libqb 2>/dev/null || echo absent)
	echo "${cpu:-unknown CPU}, $(getconf _NPROCESSORS_ONLN) CPUs, load $(cut -d' ' -f1 /proc/loadavg);" \
		"$(uname -sr); libqb $version; $runs runs of $time ms"
}

run_all()
{
	wanted=""
	for row in $("$qbipc" "--list${curves:+-curves}"); do
		! row_wanted "$row" || wanted="$wanted $row"
	done
	[ -n "$wanted" ] || { echo "bench: $rows: there is no such row" >&2; exit 1; }
	libraries=${libqb:+libqb }qbipc
	run=0
	while [ $run -lt "$runs" ]; do
		run=$((run + 1))
		echo "bench: run $run of $runs" >&2
		# shellcheck disable=SC2086 # a list of words
		for row in ${floor:+$(floor_of $wanted)}; do
			measure_program floor floor "$row" "$floor"
		done
		for row in $wanted; do
			# It counts to 0 for ten seconds, and needs no median.
			[ "$row" != waiting ] || [ $run -eq 1 ] || continue
			for type in $types; do
				for client in $libraries; do
					for server in $(servers_of "$client"); do
						measure "$type" "$row" "$client" "$server"
					done
				done
			done
		done
		for row in ${others:+roundtrip-64 oneway-64}; do
			! row_wanted "$row" || measure_others "$row"
		done
	done
}

if [ -n "$from" ]; then
	machine=${title:-figures of $(basename "$from")}
else
	machine=$(machine)
	awk -v cpus="$(getconf _NPROCESSORS_ONLN)" '$1 > cpus / 4 {
		print "bench: the machine does other things (load " $1 "): figures will show it"
	}' /proc/loadavg >&2
	run_all
fi
if [ -n "$curves" ]; then
	awk -v dir="$curves" -v machine="$machine" \
		-f "$here/figures.awk" -f "$here/curves.awk" "$figures"
else
	awk -v format="$format" -v machine="$machine" -v bounds_file="$bounds" \
		-f "$here/figures.awk" -f "$here/bounds.awk" -f "$here/report.awk" "$figures"
fi
