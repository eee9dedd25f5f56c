# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034,SC2154,SC3045 # shared variables; dash: ulimit -c
#
# A private machine. Runs in fresh mount, PID, network, IPC and host name namespaces:
# every directory the daemons write to is an empty file system of its own, abstract
# sockets and the loopback belong to nobody else, and all of it, processes included, is
# gone with the first process of the namespace.

node=node1

# mount_empty DIRECTORY MODE [USER GROUP]
mount_empty()
{
	mount -t tmpfs -o "mode=$2,uid=$(id -u "${3:-root}"),gid=$(group_id "${4:-root}")" \
		tmpfs "$1"
}

group_id()
{
	getent group "$1" | cut -d: -f3
}

# sandbox_enter LIBRARY: it is copied to where every user may read it
sandbox_enter()
{
	mount_empty /dev/shm 1777 &&
		cp -L "$1" /dev/shm/library &&
		mount_empty /run 755 &&
		mkdir /run/check &&
		mv /dev/shm/library "$sandbox_library" &&
		mount_empty /var/log 755 &&
		ip link set lo up &&
		hostname "$node" &&
		cd /run/check || return
	ulimit -c unlimited
}

directory_empty()
{
	ls -lR "$1"
	[ -z "$(ls -A "$1")" ]
}
