# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# One line per check, "ok - TEXT" or "not ok - TEXT"; what a failed command said follows
# as a comment. The caller numbers the lines.

# check TEXT COMMAND [ARGUMENT...]: the command runs in this shell, so it can wait for
# its children
check()
{
	check_text=$1
	shift
	if "$@" >check.out 2>&1; then
		echo "ok - $check_text"
		return 0
	fi
	echo "not ok - $check_text"
	echo "# $*" | head -n 1
	tail -n 20 check.out | sed 's/^/#   /'
	return 1
}

# refused COMMAND [ARGUMENT...]: without success, and neither timed out nor killed
refused()
{
	"$@"
	refused_status=$?
	[ $refused_status -ne 0 ] && [ $refused_status -lt 124 ]
}

# wait_until SECONDS COMMAND [ARGUMENT...]
wait_until()
{
	wait_end=$(($(date +%s) + $1))
	shift
	until wait_output=$("$@" 2>&1); do
		if [ "$(date +%s)" -ge "$wait_end" ]; then
			printf '%s\n' "$wait_output"
			return 1
		fi
		sleep 0.1
	done
}

# ends_within SECONDS PID: a child is gone by then, with success
ends_within()
{
	wait_until "$1" process_gone "$2" && wait "$2"
}

# A child that has ended and waits to be collected is gone, too.
process_gone()
{
	! kill -0 "$1" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"
}
