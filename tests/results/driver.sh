#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What automake calls for each test: runs it, has automake's tap-driver.sh judge what it
# printed, and says in one line how far "make check" is. For a terminal the line follows
# what runs now, and only what did not pass stays; otherwise each program leaves one line.
#
# The output goes to a file first, so that a process which a test left behind cannot hold
# the driver back, and an unfinished last line does not swallow the exit status.
#
# Interrupted, it removes what the test left in /dev/shm.
#
# QBIPC_TEST_LOGS has the .log files of all tests of this run; TAP_DRIVER is the driver.

name='' log='' trs='' pass_on=''
while test $# -gt 0; do
	case $1 in
	--test-name) name=$2 ;;
	--log-file) log=$2 ;;
	--trs-file) trs=$2 ;;
	--color-tests) ;;
	--enable-hard-errors | --expect-failure) pass_on="$pass_on $1 $2" ;;
	--) shift; break ;;
	*) echo "$0: unknown option $1" >&2; exit 2 ;;
	esac
	shift 2
done
test -n "$log" && test -n "$trs" && test $# -gt 0 || exit 2
out=${log%.log}.out
started=$(date +%s)

# In this run: all tests, those with an outcome, and the names of those that run.
count()
{
	total=0 ended=0 running=
	for of in ${QBIPC_TEST_LOGS:-$log}; do
		total=$((total + 1))
		test ! -e "${of%.log}.out" || running="$running ${of%.log}"
		test ! -e "${of%.log}.trs" || ended=$((ended + 1))
	done
}

progress()
{
	test -t 1 || return 0
	count
	columns=$(stty size 2>/dev/null <&1 | cut -d' ' -f2)
	printf '\r\033[K%.*s' "$((${columns:-80} - 1))" "[$ended of $total]$running"
	test "$ended" -lt "$total" || printf '\r\033[K'
}

# Rings of libqb's wire are files qb-SERVER-CLIENT-..., two process ids. Those that came since
# the test began and whose processes are gone were the test's; a process that has the signal
# has two seconds to go.
shm_names()
{
	for shm in /dev/shm/qb-[0-9]*-[0-9]*-*; do
		test ! -e "$shm" || echo "${shm#/dev/shm/}"
	done
}

shm_sweep()
{
	tries=20 waits=yes
	while test -n "$waits" && test $tries -gt 0; do
		waits=''
		for shm in $(shm_names); do
			case $shm_before in *" $shm "*) continue ;; esac
			server=${shm#qb-} client=${shm#qb-*-}
			if test -e "/proc/${server%%-*}" || test -e "/proc/${client%%-*}"; then
				waits=yes
			else
				rm -rf "/dev/shm/$shm"
			fi
		done
		tries=$((tries - 1))
		test -z "$waits" || sleep 0.1
	done
}

shm_before=" $(shm_names | tr '\n' ' ')"
trap 'rm -f "$out"' EXIT
trap 'shm_sweep; exit 130' HUP INT TERM
: >"$out"
progress
"$@" >"$out" 2>&1
status=$?
test -z "$(tail -c 1 "$out")" || echo >>"$out"

# shellcheck disable=SC2086,SC2016 # a list; the inner shell's
sh "$TAP_DRIVER" --test-name "$name" --log-file "$log" --trs-file "$trs" --merge $pass_on \
	-- sh -c 'cat "$1"; exit "$2"' sh "$out" "$status" >/dev/null
judged=$?
rm -f "$out"

outcome=$(sed -n 's/^:global-test-result: //p' "$trs")
cases=$(grep -c '^:test-result: ' "$trs")
count
if test ! -t 1; then
	echo "$outcome: $name ($cases cases, $(($(date +%s) - started)) s) [$ended of $total]"
elif test "$outcome" != PASS; then
	printf '\r\033[K%s: %s\n' "$outcome" "$name"
fi
progress
exit "$judged"
