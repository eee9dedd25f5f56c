# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# Runs a script of checks once per mode, each in namespaces of its own, and numbers the
# lines. Modes without any preload are the control: where one fails, the programs cannot
# run here as they are, and that is reported as skipped.

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

# run_mode SCRIPT MODE/VARIANT LIMIT: fails if a check does, or if the run broke off
run_mode()
{
	timeout -k 5 "$3" unshare --mount --pid --net --ipc --uts --fork --kill-child \
		--mount-proc sh "$1" "${2%/*}" "${2#*/}" "$library" >"$lines" 2>&1
	awk -v mode="$2" -v n="$number" '
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

# run_modes SCRIPT LIMIT MODE/VARIANT...: the last step of a test; LIMIT in seconds each.
# What a control that fails has printed counts as one skipped case.
run_modes()
{
	script=$1 limit=$2
	shift 2
	lines=$(mktemp) || exit 1
	cases=$(mktemp) || exit 1
	trap 'rm -f "$lines" "$cases"' EXIT
	number=0 failed=0
	for mode; do
		before=$number
		if run_mode "$script" "$mode" "$limit" >"$cases"; then
			cat "$cases"
		elif [ "$mode" != "${mode#none/}" ]; then
			sed 's/^/# /' "$cases"
			number=$((before + 1))
			echo "ok $number - $mode # SKIP the programs do not run here as they are"
			break
		else
			cat "$cases"
			failed=1
		fi
	done
	echo "1..$number"
	exit $failed
}
