# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034,SC3045 # variables for others; dash knows ulimit -c
#
# A private machine for one cluster node. Runs in fresh mount, PID, network, IPC and host
# name namespaces: every directory the daemons write to is an empty file system of its
# own, abstract sockets and the loopback belong to nobody else, and all of it, processes
# included, is gone with the first process of the namespace.

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

# sandbox_enter LIBRARY: the library is copied to where every user may read it
sandbox_enter()
{
	mount_empty /dev/shm 1777 &&
		cp -L "$1" /dev/shm/preload.so &&
		mount_empty /run 755 &&
		mkdir /run/check &&
		mv /dev/shm/preload.so "$sandbox_library" &&
		mount_empty /var/lib/corosync 755 &&
		mount_empty /var/lib/pacemaker 750 hacluster haclient &&
		mount_empty /var/log 755 &&
		install -d -o hacluster -g haclient -m 750 /var/log/pacemaker \
			/var/lib/pacemaker/cib /var/lib/pacemaker/pengine \
			/var/lib/pacemaker/cores /var/lib/pacemaker/blackbox &&
		ip link set lo up &&
		hostname "$node" &&
		cd /run/check || return
	ulimit -c unlimited
	cib_configure
}

sandbox_library=/run/check/preload.so
corosync_config=/run/check/corosync.conf
corosync_log=/var/log/corosync.log
pacemaker_log=/var/log/pacemaker/pacemaker.log

# corosync_configure shm|socket
corosync_configure()
{
	cat >"$corosync_config" <<-END
	totem {
		version: 2
		cluster_name: check
		transport: knet
		crypto_cipher: none
		crypto_hash: none
	}
	nodelist {
		node {
			name: $node
			nodeid: 1
			ring0_addr: 127.0.0.1
		}
	}
	system {
		qb_ipc_type: $1
	}
	quorum {
		provider: corosync_votequorum
	}
	logging {
		to_stderr: no
		to_syslog: no
		to_logfile: yes
		logfile: $corosync_log
	}
	END
}

# No fencing device, and no waiting for other nodes before this one takes over.
cib_configure()
{
	options='<cluster_property_set id="options">
		<nvpair id="fencing" name="stonith-enabled" value="false"/>
		<nvpair id="deadtime" name="dc-deadtime" value="1s"/>
		</cluster_property_set>'
	cibadmin --empty |
		awk -v o="<crm_config>$(echo "$options" | tr -d '\n')</crm_config>" \
			'{ sub(/<crm_config\/>/, o); print }' >/var/lib/pacemaker/cib/cib.xml
	chown hacluster:haclient /var/lib/pacemaker/cib/cib.xml
	chmod 600 /var/lib/pacemaker/cib/cib.xml
}
