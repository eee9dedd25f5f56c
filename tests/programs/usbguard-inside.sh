#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The USBGuard daemon from start to end on a machine with one device that is made up, inside the namespaces
# that usbguard.sh made.
# usage: usbguard-inside.sh none|all|libqb-wire|daemons|tools shm LIBRARY
set -u
here=$(dirname "$0")
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=sandbox.sh
. "$here/sandbox.sh"
# shellcheck source=preload.sh
. "$here/preload.sh"
# shellcheck source=usbguard-device.sh
. "$here/usbguard-device.sh"

# A /sys of our own with what the daemon looks at.
usbguard_prepare()
{
	mkdir /var/log/usbguard access &&
		mount_empty /sys 755 &&
		device_plug_in || return
	cat >daemon.conf <<-END
	RuleFile=/run/check/rules.conf
	ImplicitPolicyTarget=block
	PresentDevicePolicy=apply-policy
	PresentControllerPolicy=apply-policy
	InsertedDevicePolicy=apply-policy
	DeviceManagerBackend=uevent
	IPCAllowedUsers=root
	IPCAllowedGroups=games
	IPCAccessControlFiles=/run/check/access/
	AuditBackend=FileAudit
	AuditFilePath=/var/log/usbguard/audit.log
	END
	echo "allow id 1d6b:0002" >rules.conf
	chmod 600 daemon.conf rules.conf
}

give_up()
{
	echo "# last lines of daemon.log"
	tail -n 30 daemon.log | sed 's/^/#   /'
	exit 1
}

# Events reach a client that only listens, while others call.
watcher_hears()
{
	watch_start watch.out || return
	watcher=$!
	for policy in block reject apply-policy; do
		tool usbguard set-parameter InsertedDevicePolicy $policy &&
			wait_until 10 grep -q "$policy" watch.out || return
	done
	cat watch.out
	mapped "$tools_preloaded" "$watcher" && watch_stop "$watcher"
}

remove_the_rule()
{
	tool usbguard remove-rule "$(tool usbguard list-rules | sed -n 's/:.*4321:8765//p')"
}

append_many()
{
	for i in $(seq 100 299); do
		tool usbguard append-rule "allow id 1234:1$i name \"device $i\"" || return
	done
}

usbguard_checks()
{
	check "the rules are listed" says 'allow id 1d6b:0002' tool usbguard list-rules
	check "a rule is added" tool usbguard append-rule 'block id 4321:8765'
	check "the rule is listed" says 'block id 4321:8765' tool usbguard list-rules
	check "the rule is removed" remove_the_rule
	check "the rule has gone" refused says 'block id 4321:8765' tool usbguard list-rules
	check "an unknown rule cannot be removed" refused tool usbguard remove-rule 77
	check "the devices are listed" tool usbguard list-devices
	check "a parameter is read" \
		says apply-policy tool usbguard get-parameter InsertedDevicePolicy
	check "a client that listens hears of changes" watcher_hears
	check "200 rules are added one by one" append_many
	check "200 rules are listed" says 'device 299' tool usbguard list-rules
	check "a user who is not allowed is refused" \
		refused tool_as nobody nogroup usbguard list-rules
	check "a member of an allowed group is served" \
		says 'device 299' tool_as nobody games usbguard list-rules
}

preload_choose "$1"
sandbox_enter "$3" && usbguard_prepare || exit
check "calls of the daemon go to the library: $daemons_preloaded" \
	bound "$daemons_preloaded" qb_ipcs_create daemon usbguard-daemon -h
check "calls of the tools go to the library: $tools_preloaded" \
	bound "$tools_preloaded" qb_ipcc_connect tool usbguard -h
daemon usbguard-daemon -k -c daemon.conf >daemon.log 2>&1 &
usbguard=$!
check "the daemon starts" wait_until 20 tool usbguard list-rules || give_up
check "the daemon has the library: $daemons_preloaded" mapped "$daemons_preloaded" $usbguard
usbguard_checks
device_checks
kill -TERM $usbguard
check "the daemon stops" ends_within 20 $usbguard || give_up
check "nothing is left in shared memory" directory_empty /dev/shm
echo "complete"
