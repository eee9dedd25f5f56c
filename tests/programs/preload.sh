# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034 # some variables are for other scripts
#
# Which processes run with the library, and whether they really do.

sandbox_library=/run/check/preload.so

# preload_choose none|all|libqb-wire|daemons|tools
preload_choose()
{
	daemon_preload='' daemons_preloaded=no tool_preload='' tools_preloaded=no
	case $1 in
	libqb-wire) export QBIPC_NATIVE=0 ;;
	esac
	case $1 in
	all | libqb-wire | daemons) daemon_preload=$sandbox_library daemons_preloaded=yes ;;
	esac
	case $1 in
	all | libqb-wire | tools) tool_preload=$sandbox_library tools_preloaded=yes ;;
	esac
}

# In place of the shell that calls it, so that the daemon can be waited for.
daemon()
{
	exec env LD_PRELOAD="$daemon_preload" "$@"
}

tool()
{
	timeout -k 1 30 env LD_PRELOAD="$tool_preload" "$@"
}

# tool_as USER GROUP COMMAND...: as a user who is in no other group
tool_as()
{
	tool_user=$1 tool_group=$2
	shift 2
	timeout -k 1 30 setpriv --reuid "$tool_user" --regid "$tool_group" --clear-groups \
		env LD_PRELOAD="$tool_preload" "$@"
}

# says PATTERN COMMAND...: succeeds, and prints a line that matches
says()
{
	says_pattern=$1
	shift
	says_output=$("$@" 2>&1) || { echo "$says_output"; return 1; }
	echo "$says_output"
	echo "$says_output" | grep -q -e "$says_pattern"
}

# mapped yes|no PID: whether the process has the library in its memory
mapped()
{
	grep -q "$sandbox_library" "/proc/$2/maps"
	case $?$1 in 0yes | 1no) return 0 ;; esac
	echo "library mapped in $(cat "/proc/$2/comm"): should be $1"
	return 1
}

# bound yes|no SYMBOL COMMAND...: the dynamic linker says whether calls go to the library
bound()
{
	bound_expected=$1 bound_symbol=$2
	shift 2
	(export LD_DEBUG=bindings LD_DEBUG_OUTPUT=bindings; "$@") >/dev/null
	grep -h "normal symbol .$bound_symbol'" bindings.* >bound
	rm -f bindings.*
	cat bound
	[ -s bound ] || return
	case $bound_expected in
	yes) ! grep -v "to $sandbox_library" bound ;;
	no) ! grep "to $sandbox_library" bound ;;
	esac
}
