# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of qbipc(1) for fish. Options come from --help, names from qbipc ls.

# What a list has so far, and each of the words behind it that are not there yet.
function __qbipc_list
    set -l token (commandline -ct)
    set -l list (string replace -r '^(--[a-z-]+=|-[a-z])' '' -- $token)
    set -l before (string match -r '^.*,' -- $list)
    for word in $argv
        contains -- $word (string split , -- $before)
        or echo "$before$word"
    end
end

# The name of a service before the current word of qbipc call.
function __qbipc_call_name
    set -l words (commandline -opc)[3..-1]
    set -l skip no
    for word in $words
        if test $skip = yes
            set skip no
        else if string match -qr '^(-[fxmset]|--(file|hex|text|size|events|timeout))$' -- $word
            set skip yes
        else if not string match -q -- '-*' $word
            echo $word
            return
        end
    end
    return 1
end

function __qbipc_call_words
    if set -l name (__qbipc_call_name)
        qbipc describe --names $name 2>/dev/null
    else
        qbipc ls --names 2>/dev/null
    end
end

set -l commands ls ping echo bench watch describe call monitor replay

complete -c qbipc -f
complete -c qbipc -n "not __fish_seen_subcommand_from $commands" -l help -d 'show help and exit'
complete -c qbipc -n "not __fish_seen_subcommand_from $commands" -l version -d 'show the version'

for line in (qbipc --help 2>/dev/null)
    set -l found (string match -r '^  ([a-z]+) +(.*)' -- $line)
    or continue
    contains -- $found[2] $commands
    and complete -c qbipc -n "not __fish_seen_subcommand_from $commands" -a $found[2] -d $found[3]
end

for command in $commands
    set -l here "__fish_seen_subcommand_from $command"
    switch $command
        case ls
        case replay
            complete -c qbipc -n $here -F
            complete -c qbipc -n $here -a '(qbipc ls --names 2>/dev/null)'
        case call
            complete -c qbipc -n $here -a '(__qbipc_call_words)'
        case '*'
            complete -c qbipc -n $here -a '(qbipc ls --names 2>/dev/null)'
    end
    for line in (qbipc $command --help 2>/dev/null)
        set -l found (string match -r '^  -(.), --([a-z-]+)(=?[A-Z]*) +(.*)' -- $line)
        or continue
        set -l option -c qbipc -n $here -s $found[2] -l $found[3] -d $found[5]
        switch $found[4]
            case ''
                complete $option
            case '=FILE'
                complete $option -r -F
            case '*'
                switch $command$found[3]
                    case benchtransports
                        complete $option -x -a '(__qbipc_list shm socket libqb-shm libqb-socket)'
                    case benchsizes
                        complete $option -x -a '(__qbipc_list 64 1024 16384 131072 1048576)'
                    case monitorkinds
                        complete $option -x -a '(__qbipc_list request response event connection)'
                    case '*'
                        complete $option -x
                end
        end
    end
end
