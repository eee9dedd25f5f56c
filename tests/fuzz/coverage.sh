#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# How much of the library a fuzz target's inputs reach, of the files that the target is
# about. For a build tree that was configured as docs/fuzzing.md says; run there by "make
# fuzz-coverage".
#
# usage: coverage.sh [-v] [TARGET...]	all targets without arguments
#
# -v shows the lines, too, that were not reached. FUZZ_CORPORA: a directory that has one of
# each target, fuzz-hello and so on, whose inputs are run besides those in the tree.

set -eu

top=$(cd "${srcdir:-.}" && pwd)
out=tests/fuzz/coverage
verbose=
if [ "${1-}" = -v ]; then
	verbose=yes
	shift
fi

# files_of TARGET
files_of()
{
	case $1 in
	fuzz-datagrams) echo transport/qb-socket-client.c transport/qb-socket-server.c \
		transport/qb-channel.c ring/qbcontrol.c ;;
	fuzz-hello) echo wire/handshake.c server/handshake.c server/admission.c server/inquiry.c \
		server/listener.c ;;
	fuzz-inquiry) echo api/describe.c api/snapshot.c client/inquire.c wire/page.c ;;
	fuzz-native-ring) echo ring/record.h ring/ring-steps.h ring/ring.c ring/ring-pieces.c \
		ring/ring-places.c ring/ring-resume.c ;;
	fuzz-packets) echo transport/packets.c transport/packet.c ;;
	fuzz-qb-ring) echo ring/qbring-traffic.c ;;
	fuzz-server) echo server/connection.c server/dispatch.c server/handshake.c \
		server/admission.c server/inquiry.c server/limits.c server/listener.c server/refusals.c \
		server/request.c server/request-buffer.c server/selector.c server/send.c \
		server/unsent.c \
		transport/native-shm-server.c transport/native-shm-server-awake.c \
		transport/native-socket-server.c \
		transport/qb-shm-server.c transport/qb-socket-server.c ring/fault.c \
		ring/region.c ring/mapping.c ;;
	fuzz-welcome) echo wire/handshake.c client/connect.c ring/region.c ring/shm-peer.c \
		ring/qbring.c transport/native-shm-client.c \
		transport/native-shm-client-events.c transport/native-shm-client-requests.c \
		transport/native-shm-client-responses.c transport/native-shm-client-end.h \
		transport/native-socket-client.c transport/qb-shm-client.c ;;
	esac
}

# llvm-cov's own choice of files does not know a source tree beside the build tree; and it
# complains that each program has a main of its own.
# figures DATA FILE PROGRAM...
figures()
{
	data=$1 wanted=$2
	shift 2
	# shellcheck disable=SC2046
	llvm-cov report $(printf -- '-object %s ' "$@") -instr-profile="$data" \
		2>"$out/llvm-cov.log" |
		awk -v file="/lib/$wanted" '
			substr("/" $1, length($1) - length(file) + 2) == file {
				printf "%-36s regions %7s  lines %7s  branches %7s\n",
					substr(file, 2), $4, $10, $13
			}'
}

# unreached TARGET FILE
unreached()
{
	llvm-cov show "tests/fuzz/$1" -instr-profile="$out/$1.profdata" |
		awk -v file="lib/$2:" '
			/^[^ ].*:$/ { here = substr($0, length($0) - length(file) + 1) == file }
			here && /^ *[0-9]+\| *0\|/' |
		sed 's/| *0|/ /'
}

target_report()
{
	profile=$out/$1
	set -- "$1" "$top/tests/fuzz/corpus/$1" ${FUZZ_CORPORA:+"$FUZZ_CORPORA/$1"}
	target=$1
	shift
	LLVM_PROFILE_FILE=$profile.profraw "tests/fuzz/$target" "$@" >"$profile.log" 2>&1 ||
		{ cat "$profile.log"; exit 1; }
	llvm-profdata merge -o "$profile.profdata" "$profile.profraw"
	sed -n 's/^ok 1 - //p' "$profile.log"
	for file in $(files_of "$target"); do
		figures "$profile.profdata" "$file" "tests/fuzz/$target"
		[ -z "$verbose" ] || unreached "$target" "$file"
	done
}

together_report()
{
	llvm-profdata merge -o "$out/together" "$out"/fuzz-*.profdata
	echo "all together:"
	for target; do
		files_of "fuzz-${target#fuzz-}" | tr ' ' '\n'
	done | sort -u | while read -r file; do
		# shellcheck disable=SC2046
		figures "$out/together" "$file" $(printf 'tests/fuzz/fuzz-%s ' "$@")
	done
}

together=
if [ $# -eq 0 ]; then
	set -- datagrams hello native-ring packets qb-ring server welcome
	together=yes
fi
mkdir -p "$out"
for name; do
	target_report "fuzz-${name#fuzz-}"
done
[ -z "$together" ] || together_report "$@"
