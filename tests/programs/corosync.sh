#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Programs that watch corosync's connections, keep one across fork(), or send to each
# other through it: corosync-notifyd, the counters in the map, libsam and libcpg, all as
# installed. With the library in all processes (on the native wire and on libqb's), in the
# daemon only, and in the others only; without it first.
#
# usage: corosync.sh [MODE/TRANSPORT...]
#	modes: none, all, libqb-wire, daemons, tools; transports: shm, socket
set -u
here=$(dirname "$0")
# shellcheck source=modes.sh
. "$here/modes.sh"

# compile NAME PACKAGE LIBRARY...: a program of this directory against an installed library
compile()
{
	name=$1 package=$2
	shift 2
	echo "#include <corosync/${package#lib}.h>" | ${CC:-cc} -E - >/dev/null 2>&1 ||
		skip "$package-dev is not installed"
	${CC:-cc} -std=gnu11 -g -O1 -o "$programs/$name" "$here/$name.c" "$@" ||
		{ echo "Bail out! $name does not compile"; exit 1; }
}

require corosync corosync-cmapctl corosync-notifyd
programs=$(mktemp -d) || exit 1
trap 'rm -rf "$programs"' EXIT
compile sam-process libsam -lsam -lcmap
compile cpg-member libcpg -lcpg
export programs
# What a daemon with the library shows, for the tool that is built with it.
export QBIPC_MONITOR=payload
qbipc=$PWD/tools/qbipc/.libs/qbipc
[ -x "$qbipc" ] || qbipc=$PWD/tools/qbipc/qbipc
qbipc_path=$(cd "$(dirname "$library")" && pwd)
export qbipc qbipc_path
[ $# -gt 0 ] || set -- none/shm all/shm libqb-wire/shm daemons/shm tools/shm \
	none/socket all/socket libqb-wire/socket
run_modes "$here/corosync-inside.sh" 120 "$@"
