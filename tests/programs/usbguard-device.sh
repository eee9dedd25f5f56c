# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154 # the variables are shared with other scripts
#
# One USB device, as far as the daemon looks at it: the files of a host controller in a
# /sys of our own. What the daemon decides it writes there, and tells those who watch.

device=/sys/devices/pci0000:00/usb1

# The 18 bytes that describe a hub of the Linux Foundation, its one configuration of one
# interface with one endpoint.
device_describe()
{
	printf '\022\001\000\002\011\000\000\100\153\035\002\000\001\006\003\002\001\001'
	printf '\011\002\031\000\001\001\000\340\000\011\004\000\000\001\011\000\000\000'
	printf '\007\005\201\003\004\000\014'
}

device_plug_in()
{
	mkdir -p /sys/bus/usb/devices $device || return
	echo 'DRIVER=pcieport' >"${device%/*}/uevent"
	printf 'DEVTYPE=usb_device\nDRIVER=usb\nPRODUCT=1d6b/2/601\n' >$device/uevent
	echo 1d6b >$device/idVendor
	echo 0002 >$device/idProduct
	echo 'a hub' >$device/product
	echo 0000:00:1 >$device/serial
	echo 1 >$device/authorized
	echo 1 >$device/authorized_default
	: >$device/remove
	device_describe >$device/descriptors
	ln -s "../../../${device#/sys/}" /sys/bus/usb/devices/usb1
}

device_number()
{
	tool usbguard list-devices | sed -n 's/^\([0-9]*\):.*1d6b:0002.*/\1/p'
}

# device_says FILE VALUE: what the kernel would act upon
device_says()
{
	tail -n +1 "$device/$1"
	[ "$(cat "$device/$1")" = "$2" ]
}

# watch_start FILE: the process in $!
watch_start()
{
	LD_PRELOAD=$tool_preload usbguard watch >"$1" 2>&1 &
	wait_until 10 grep -q '\[IPC\] Connected' "$1"
}

# watch_stop PID
watch_stop()
{
	kill -TERM "$1" && wait_until 10 process_gone "$1"
}

# told_of FILE TARGET: both events, the second one last
told_of()
{
	[ "$(grep -c "^ target_new=$2" "$1")" -eq 2 ]
}

# told_all TARGET
told_all()
{
	for watcher in one two; do
		wait_until 10 told_of watch.$watcher "$1" || { cat watch.$watcher; return 1; }
	done
}

watchers_start()
{
	number=$(device_number)
	[ -n "$number" ] || return
	watch_start watch.one || return
	watcher_one=$!
	watch_start watch.two || return
	watcher_two=$!
}

device_is_blocked()
{
	tool usbguard block-device "$number" && told_all block && device_says authorized 0
}

# For good: the daemon adds a rule of its own, and saves it.
device_is_allowed()
{
	tool usbguard allow-device -p "$number" && told_all allow &&
		device_says authorized 1 &&
		says 'allow id 1d6b:0002 serial' tool usbguard list-rules &&
		says 'allow id 1d6b:0002 serial' cat rules.conf
}

device_is_rejected()
{
	tool usbguard reject-device "$number" && told_all reject && device_says remove 1
}

watchers_agree()
{
	sed -n '/^\[device\]/p; /^ target/p' watch.one >told.one
	sed -n '/^\[device\]/p; /^ target/p' watch.two >told.two
	cat told.one
	[ "$(wc -l <told.one)" -eq 15 ] && cmp told.one told.two
}

# Not for good: the rule is in force and not in the file.
temporary_rule()
{
	tool usbguard append-rule -t 'reject id 4444:*' &&
		says 'reject id 4444' tool usbguard list-rules &&
		! grep 4444 rules.conf
}

rule_in_the_middle()
{
	tool usbguard append-rule -a 1 'block id 5555:* label "middle"' &&
		says 'block id 5555' tool usbguard list-rules -l middle || return
	tool usbguard list-rules | awk '/1d6b:0002/ && !first { first = NR }
		/5555/ { middle = NR }
		END { exit middle != first + 1 }'
}

parameter_changes()
{
	says 'block => allow' tool usbguard set-parameter -v ImplicitPolicyTarget allow &&
		wait_until 10 grep -q 'ParameterChanged: name=ImplicitPolicyTarget' watch.one &&
		says '^allow$' tool usbguard get-parameter ImplicitPolicyTarget
}

# One that listens is killed while there is much to tell.
killed_watcher()
{
	for i in 1 2 3 4 5; do
		tool usbguard set-parameter InsertedDevicePolicy block || return
		[ $i -ne 3 ] || kill -KILL "$watcher_two" || return
		tool usbguard set-parameter InsertedDevicePolicy apply-policy || return
	done
	wait_until 10 told_ten_times && wait_until 10 process_gone "$watcher_two"
}

told_ten_times()
{
	[ "$(grep -c 'name=InsertedDevicePolicy' watch.one)" -eq 10 ]
}

device_checks()
{
	check "the device is listed" says 'allow id 1d6b:0002' tool usbguard list-devices
	check "two clients listen" watchers_start
	check "the device is blocked, and they are told" device_is_blocked
	check "the device is allowed for good, and they are told" device_is_allowed
	check "a rule is added in the middle" rule_in_the_middle
	check "a rule is added that is not for good" temporary_rule
	check "a parameter of the policy is changed" parameter_changes
	check "the device is rejected, and they are told" device_is_rejected
	check "they were told the same" watchers_agree
	check "one of them is killed, and the other goes on" killed_watcher
	check "the other one ends" watch_stop "$watcher_one"
}
