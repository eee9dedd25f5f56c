# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of qbipc(1) for bash. Options come from --help, names from qbipc ls.

_qbipc_options()
{
	"$1" ${2:+"$2"} --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z0-9][a-z-]*=?' |
		tr -d ' ,'
}

# _qbipc_words CURRENT WORD...: those that begin so. Nothing in them is expanded.
_qbipc_words()
{
	local current=$1 word
	shift
	for word; do
		[[ $word != "$current"* ]] || COMPREPLY+=("$(printf %q "$word")")
	done
}

# _qbipc_list CURRENT WORD...: behind the last comma of CURRENT, those that are not there.
_qbipc_list()
{
	local current=$1 before='' word
	shift
	[[ $current != *,* ]] || before=${current%,*},
	for word; do
		[[ ,$before == *",$word,"* || $before$word != "$current"* ]] ||
			COMPREPLY+=("$before$word")
	done
	compopt -o nospace 2>/dev/null
}

# The first word before the current one that is no option, in REPLY. VALUED: a pattern of the
# options that a value follows.
_qbipc_first_word()
{
	local valued=$1 i
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} =~ ^($valued)$ ]]; then
			((i++))
			[[ ${COMP_WORDS[i]-} != = ]] || ((i++))
		elif [[ ${COMP_WORDS[i]} != -* ]]; then
			REPLY=${COMP_WORDS[i]}
			return
		fi
	done
	return 1
}

_qbipc()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local tool=${COMP_WORDS[0]} command=${COMP_WORDS[1]-} lines=()
	COMPREPLY=()

	if ((COMP_CWORD == 1)); then
		_qbipc_words "$current" ls ping echo bench watch describe call monitor replay --help --version
		return
	fi
	case $command in
	ls | ping | echo | bench | watch | describe | call | monitor | replay) ;;
	*) return ;;
	esac
	# "--option=": bash takes the sign for a word of its own.
	if [[ $current == = ]]; then
		current='' previous=${COMP_WORDS[COMP_CWORD - 1]}
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case $command$previous in
	bench-p | bench--plot | watch-f | watch--textfile | call-f | call--file | \
	monitor-r | monitor--record)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	bench-t | bench--transports)
		_qbipc_list "$current" shm socket libqb-shm libqb-socket
		return ;;
	monitor-k | monitor--kinds)
		_qbipc_list "$current" request response event connection
		return ;;
	bench-s | bench--sizes)
		_qbipc_list "$current" 64 1024 16384 131072 1048576
		return ;;
	replay-[es]) ;;
	call-[xm] | call--hex | call--text | *-[ciest] | watch-n | monitor-[npb] | \
	monitor--number | monitor--pid | monitor--bytes | *--count | *--connections | \
	*--interval | *--idle | *--timeout | *--size | *--id | *--offset | \
	*--events | *--duration | bench-d | echo-o)
		return ;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t lines < <(_qbipc_options "$tool" "$command")
		compopt -o nospace 2>/dev/null
	elif [[ $command == replay ]] && ! _qbipc_first_word '-t|--timeout'; then
		compopt -o filenames 2>/dev/null
		mapfile -t lines < <(compgen -f -- "$current")
	elif [[ $command == call ]] &&
		_qbipc_first_word '-[fxmset]|--(file|hex|text|size|events|timeout)'; then
		mapfile -t lines < <("$tool" describe --names "$REPLY" 2>/dev/null)
	elif [[ $command != ls ]]; then
		mapfile -t lines < <("$tool" ls --names 2>/dev/null)
	fi
	_qbipc_words "$current" "${lines[@]}"
}

complete -F _qbipc qbipc
