# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are shared with other scripts
#
# One node of a cluster: its directories and its two configurations.

cluster_prepare()
{
	mount_empty /var/lib/corosync 755 &&
		mount_empty /var/lib/pacemaker 750 hacluster haclient &&
		install -d -o hacluster -g haclient -m 750 /var/log/pacemaker \
			/var/lib/pacemaker/cib /var/lib/pacemaker/pengine \
			/var/lib/pacemaker/cores /var/lib/pacemaker/blackbox &&
		cib_configure
}

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
