# SPDX-License-Identifier: LGPL-2.1-or-later
# What zsh offers for a line: zsh -f offer.zsh DIRECTORY LINE, a word a line. A shell on a
# terminal of its own completes; what its compadd is given is written into a file, and the
# end of the completion is what is waited for.
zmodload zsh/zpty
offered=$(mktemp) || exit
trap 'zpty -d shell 2>/dev/null; rm -f $offered' EXIT

zpty shell zsh -f -i
zpty -w shell "PS1= PS2= fpath=(${(q)1} \$fpath) offered=${(q)offered}"
zpty -w shell 'stty -echo 2>/dev/null; autoload -Uz compinit; compinit -D -u'
zpty -w shell 'compadd() {
	local -a hits
	if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
		builtin compadd -A hits "$@"
		local prefix=$IPREFIX
		print -rl -- "$prefix"${^hits} >>$offered
	fi
	builtin compadd "$@"
}
ended() { print -r -- "<ended>"; }
comppostfuncs=(ended)
zle -C offer complete-word _main_complete
bindkey "^I" offer
print "<rea""dy>"'
zpty -r shell said '*<ready>*' || exit
: >$offered
zpty -w -n shell "$2"$'\t'
zpty -r shell said '*<ended>*' || exit
sort -u $offered
