# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the tests of qbipc, after tap.sh: servers, and what the tool says to them.

qbipc=tools/qbipc/qbipc
server=examples/echo-server
listener=tests/tool/listener
name=qbipc-test-tool-$$
server_pid=

# Libtool's wrapper is slow, and not the process that it starts.
if test -e tools/qbipc/.libs/qbipc; then
	LD_LIBRARY_PATH=$PWD/lib/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export LD_LIBRARY_PATH
	qbipc=tools/qbipc/.libs/qbipc
fi

stop_server()
{
	test -z "$server_pid" || kill -CONT "$server_pid" 2>/dev/null
	test -z "$server_pid" || kill -KILL "$server_pid" 2>/dev/null
	test -z "$server_pid" || wait "$server_pid" 2>/dev/null
	server_pid=
}
trap 'stop_server; rm -rf "$scratch"' EXIT

# start COMMAND...: a server that says when it is ready. The wait ends when it has said
# so or has ended. Its standard input is open as long as descriptor 9 is.
start()
{
	rm -f "$scratch/said" "$scratch/life"
	mkfifo "$scratch/said" "$scratch/life" || return
	exec 9<>"$scratch/life"
	"$@" <"$scratch/life" >"$scratch/said" 2>"$scratch/server.err" 9>&- &
	server_pid=$!
	read -r said <"$scratch/said" && test "${said%% *}" = serving
}

stop()
{
	stop_server
}

# exits STATUS COMMAND...: what it printed is in out and err.
exits()
{
	expected=$1
	shift
	"$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	cat "$scratch/out" "$scratch/err"
	test "$status" -eq "$expected"
}

# prints PATTERN... : the last output has a line for each, as a whole.
prints()
{
	cat "$scratch/out"
	for pattern; do
		grep -qxE -- "$pattern" "$scratch/out" || {
			echo "no line: $pattern"
			return 1
		}
	done
}

complains()
{
	cat "$scratch/err"
	test "$(wc -l <"$scratch/err")" -ge 1 && grep -qE -- "$1" "$scratch/err"
}

# Every line of the last output is a value of JSON.
is_json()
{
	cat "$scratch/out"
	test -s "$scratch/out" || return
	if have jq; then
		jq -e . <"$scratch/out" >/dev/null
	elif have python3; then
		python3 -c 'import json, sys
for line in sys.stdin: json.loads(line)' <"$scratch/out"
	else
		! grep -vE '^[[{].*[]}]$' "$scratch/out"
	fi
}

# Nothing that acts on a terminal: printable ASCII and ends of lines only.
is_tame()
{
	! tr -d '\n' <"$1" | LC_ALL=C grep -q '[^ -~]'
}

# within SECONDS COMMAND...: it comes true in that time.
within()
{
	tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		test "$tries" -gt 0 || return
		sleep 0.05
	done
}
