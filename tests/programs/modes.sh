# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# Runs a script of checks once per mode, each in namespaces of its own, some side by side,
# and numbers the lines. Modes without any preload are the control: where one fails, the
# programs cannot run here as they are, and that is reported as skipped.

library=${QBIPC_LIBRARY:-lib/.libs/libqbipc.so.0}

skip()
{
	echo "1..0 # SKIP $*"
	exit 0
}

# require PROGRAM...: and what the sandbox needs
require()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	for program in unshare setpriv ip timeout "$@"; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	unshare --mount --pid --net --ipc --uts --fork --mount-proc true 2>/dev/null ||
		skip "namespaces are not allowed here"
	[ -f "$library" ] || { echo "Bail out! $library is missing"; exit 1; }
}

# So many modes run side by side: they wait for their processes most of the time.
at_once=${QBIPC_MODES_AT_ONCE:-4}

# mode_report MODE/VARIANT: fails if a check did, or if the run broke off
mode_report()
{
	lines=$results/${1%/*}-${1#*/}
	sed "s,^,# $1: ," "$lines.repeats"
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

# modes_run SCRIPT LIMIT MODE/VARIANT...: what each printed is in "$results". A run that says
# "repeat - REASON" does not count: it has seen the programs fail by themselves.
modes_run()
{
	export script="$1" limit="$2" library results
	shift 2
	# shellcheck disable=SC2016 # the inner shell's
	printf '%s\n' "$@" | xargs -P "$at_once" -I MODE sh -c '
		mode=${1%/*} variant=${1#*/} lines=$results/${1%/*}-${1#*/}
		for attempt in 1 2 3 4 5; do
			timeout -k 5 "$limit" unshare --mount --pid --net --ipc --uts --fork \
				--kill-child --mount-proc \
				sh "$script" "$mode" "$variant" "$library" \
				>"$lines" 2>&1 </dev/null
			grep "^repeat - " "$lines" >>"$lines.repeats" || break
		done' sh MODE
}

# run_modes SCRIPT LIMIT MODE/VARIANT...: the last step of a test; LIMIT in seconds each.
# What a control that fails has printed counts as one skipped case.
run_modes()
{
	results=$(mktemp -d) || exit 1
	trap 'rm -rf "$results" ${programs:+"$programs"}' EXIT
	modes_run "$@"
	shift 2
	number=0 failed=0
	for mode; do
		before=$number
		if mode_report "$mode" >"$results/report"; then
			cat "$results/report"
		elif [ "$mode" != "${mode#none/}" ]; then
			sed 's/^/# /' "$results/report"
			number=$((before + 1))
			echo "ok $number - $mode # SKIP the programs do not run here as they are"
			break
		else
			cat "$results/report"
			failed=1
		fi
	done
	echo "1..$number"
	exit $failed
}
