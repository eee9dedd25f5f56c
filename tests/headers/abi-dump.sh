#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: abi-dump.sh LIBRARY INCLUDEDIR
# The ABI of LIBRARY as text: functions and the public types that they reach, without
# anything of the place where it was built. Needs debugging information.
set -eu

abidw --exported-interfaces-only --drop-private-types --headers-dir "$2" \
	--no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
	--no-architecture --type-id-style hash "$1" |
	sed "s| path='[^']*/lib/| path='lib/|"
