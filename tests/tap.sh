# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the shell tests: one line per case, "ok", "not ok", or skipped and why.
#
# Automake runs tests in the top build directory and sets srcdir; tests/local.mk adds
# what else they need. Each script gets a directory of its own, $scratch, which goes
# away with it.

set -u
LC_ALL=C
export LC_ALL

: "${srcdir:=.}" "${CC:=cc}" "${CXX:=c++}"

tap_cases=0
tap_failed=0

scratch=$(mktemp -d "${TMPDIR:-/tmp}/qbipc-test-XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' HUP INT TERM

# check NAME COMMAND [ARG...]: the case passes when the command does. What it says is
# shown only when it fails.
check()
{
	tap_name=$1
	shift
	tap_cases=$((tap_cases + 1))
	if "$@" >"$scratch/tap.out" 2>&1; then
		echo "ok $tap_cases - $tap_name"
	else
		echo "not ok $tap_cases - $tap_name"
		sed 's/^/# /' "$scratch/tap.out"
		tap_failed=$((tap_failed + 1))
	fi
}

# skip NAME REASON
skip()
{
	tap_cases=$((tap_cases + 1))
	echo "ok $tap_cases - $1 # SKIP $2"
}

# skip_all REASON: nothing here can be tested on this system.
skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

# The last command of every script: the plan, and whether all went well.
finish()
{
	echo "1..$tap_cases"
	test "$tap_cases" -gt 0 || exit 99
	test "$tap_failed" -eq 0 || exit 1
	exit 0
}

have()
{
	command -v "${1%% *}" >/dev/null 2>&1
}
