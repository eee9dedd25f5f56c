# Below our own prefix, so that no other one is written to.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = tools/completion/qbipc.bash
