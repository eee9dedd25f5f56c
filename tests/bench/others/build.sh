#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds what can be built here of the programs in this directory, into DIRECTORY, and
# says so: "NAME PROGRAM", or "NAME skipped", one a line. A source names the libraries it
# needs in a line "libs:"; a kind whose compilation fails is one that is not installed.
#
# usage: CC=... CXX=... build.sh DIRECTORY
set -u
here=$(dirname "$0")
out=$1
mkdir -p "$out" || exit

# flags_of SOURCE: what its "libs:" line asks for
flags_of()
{
	wanted=$(sed -n 's|^/\* libs: \(.*\) \*/$|\1|p' "$1")
	case $wanted in
	pkg-config*) pkg-config --cflags --libs "${wanted#pkg-config }" 2>/dev/null ;;
	*) echo "$wanted" ;;
	esac
}

for part in "$here/other.c" "$here/../figures.c" "$here/../place.c" \
	"$here/../../../tools/measure/histogram.c"; do
	${CC:-cc} -O2 -D_GNU_SOURCE -c -o "$out/$(basename "$part" .c).o" "$part" || exit
done
for source in seqpacket.c pipe.c zeromq.c nng.c sd-bus.c boost-queue.cc; do
	name=${source%.*}
	case $source in
	*.cc) compiler=${CXX:-c++} ;;
	*) compiler=${CC:-cc} ;;
	esac
	# shellcheck disable=SC2046 # a list of words
	if $compiler -O2 -D_GNU_SOURCE -o "$out/$name" "$here/$source" \
		"$out/other.o" "$out/figures.o" "$out/place.o" "$out/histogram.o" $(flags_of "$here/$source") 2>"$out/$name.log"
	then
		echo "$name $out/$name"
	else
		echo "$name skipped"
	fi
done
