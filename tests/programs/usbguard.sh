#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# USBGuard as installed, with this library preloaded: in daemon and tools (on the native
# wire and on libqb's), in the daemon only, in the tools only. Threads on both sides, events
# read by polling.
#
# usage: usbguard.sh [MODE/shm...]
set -u
here=$(dirname "$0")
# shellcheck source=modes.sh
. "$here/modes.sh"

require usbguard-daemon usbguard
[ $# -gt 0 ] || set -- none/shm all/shm libqb-wire/shm daemons/shm tools/shm
# The daemon does not always survive a machine that several of them share, in the control.
at_once=1
run_modes "$here/usbguard-inside.sh" 60 "$@"
