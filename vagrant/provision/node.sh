# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# A node: Corosync, Pacemaker, mftd, the storage mounted. The last one in the
# list then loads, when all are there, what the cluster is to run.
# shellcheck source=vagrant/provision/cluster.sh
. "$here/cluster.sh"

volume=/srv/mft

install_software() {
	install_packages corosync pacemaker pacemaker-cli-utils crmsh pcs \
		fence-agents ipmitool resource-agents
	[ "$PROVIDER" = lxc ] || install_packages fence-virt sbd
	getent group mft > /dev/null || groupadd -r -g "$MFT_UID" mft
	getent passwd mft > /dev/null || useradd -r -u "$MFT_UID" -g mft \
		-d /var/lib/mft -s /usr/sbin/nologin mft
	cmp -s "$here/mftd.deb" /var/lib/mft-installed.deb && return
	DEBIAN_FRONTEND=noninteractive dpkg -i "$here/mftd.deb" \
		> /var/log/mft-cluster-dpkg.log 2>&1 || {
		apt-get -qq update
		apt-get -qq -y -f install > /var/log/mft-cluster-apt.log
	}
	cp "$here/mftd.deb" /var/lib/mft-installed.deb
}

# Mounted at boot before Pacemaker starts what is on it; at the storage's first
# answer, too, when all machines boot at once.
mount_storage() {
	case $SHARED in
	nfs)
		install_packages nfs-common
		what="storage:/srv/mft-export $volume nfs4"
		options=hard,lookupcache=none
		;;
	gluster)
		install_packages glusterfs-client
		what="storage:/mft $volume glusterfs"
		options=attribute-timeout=0,entry-timeout=0
		;;
	esac
	mkdir -p "$volume"
	sed "\| $volume |d" /etc/fstab 2> /dev/null |
		{ cat; echo "$what _netdev,$options 0 0"; } |
		put /etc/fstab 644 root && systemctl daemon-reload
	put /etc/systemd/system/pacemaker.service.d/mft.conf 644 root <<-END &&
	[Unit]
	RequiresMountsFor=$volume
	END
		systemctl daemon-reload
	wait_for 120 "$volume is mounted" mounted
}

mounted() {
	mountpoint -q "$volume" || mount "$volume"
}

configure_corosync() {
	put_key corosync /etc/corosync/authkey 400 root
	put_key pacemaker /etc/pacemaker/authkey 640 root:haclient
	put /etc/corosync/corosync.conf 644 root <<-END
	totem {
	    version: 2
	    cluster_name: $NAME
	    transport: knet
	    crypto_cipher: aes256
	    crypto_hash: sha256
	    # a busy laptop is no lost node
	    token: $((5000 * ${PATIENCE:-1}))
	}
	quorum {
	    provider: corosync_votequorum
	    two_node: $(two_node)
	}
	nodelist {
	$(corosync_nodes)
	}
	logging {
	    to_syslog: yes
	}
	END
}

# A node that hangs, or whose Pacemaker does, is reset by its own kernel. (All
# containers share one, and have no watchdog.) Without a disk sbd wants a
# majority: of two nodes it would reset the one that is left.
watch_node() {
	[ "$PROVIDER" != lxc ] && [ "$(two_node)" = 0 ] || return 0
	echo softdog | put /etc/modules-load.d/mft.conf 644 root || :
	modprobe softdog
	put /etc/default/sbd 644 root <<-END || :
	SBD_PACEMAKER=yes
	SBD_STARTMODE=always
	SBD_DELAY_START=no
	SBD_WATCHDOG_DEV=/dev/watchdog
	SBD_WATCHDOG_TIMEOUT=$((5 * ${PATIENCE:-1}))
	END
	systemctl --quiet enable sbd 2> /dev/null
}

two_node() {
	[ "$(words "$NODES" | wc -w)" = 2 ] && echo 1 || echo 0
}

corosync_nodes() {
	id=1
	each_node | while read -r node address _; do
		printf '    node {\n\tname: %s\n\tnodeid: %d\n' "$node" "$id"
		printf '\tring0_addr: %s\n    }\n' "$address"
		id=$((id + 1))
	done
}

configure_mftd() {
	install -d -m 755 /etc/mft
	install -d -m 700 -o mft -g mft /etc/mft/keys
	put_key mftd-host /etc/mft/ssh_host_ed25519_key 600 mft:mft
	put_key acme /etc/mft/keys/acme 600 mft:mft
	put /etc/mft/pgpass 600 mft:mft <<-END || :
	*:*:mft:mft:$(cat "$keys/database")
	END
	put_key fence-virt /etc/cluster/fence_xvm.key 600 root
	put /etc/mft/fence-password 700 root <<-END || :
	#!/bin/sh
	echo $(cat "$keys/fence")
	END
	put /etc/mft/mftd.yaml 644 root <<-END || :
	mode: cluster
	node: $name
	listen: ["0.0.0.0:2222"]
	host_keys: [/etc/mft/ssh_host_ed25519_key]
	catalog: "postgresql://mft@database/mft?passfile=/etc/mft/pgpass"
	volumes:
	  - name: main
	    path: $volume
	END
	put /etc/mft/objects.yaml 644 root <<-END || :
	accounts:
	  - name: alice
	    volume: main
	    root: alice
	    keys: ["$(public alice)"]
	partners:
	  - name: acme
	    host: partner
	    user: acme
	    key_file: /etc/mft/keys/acme
	    host_keys: ["$(public partner-host)"]
	routes:
	  - name: alice-to-acme
	    account: alice
	    partner: acme
	    directory: inbox
	    queue: default
	    settle_s: 1
	END
}

install_software
configure_mftd
mount_storage
watch_node
if configure_corosync; then
	systemctl --quiet enable corosync pacemaker 2> /dev/null
	systemctl restart corosync pacemaker
else
	start_now corosync pacemaker
fi
say "node is up"
[ "$name" != "$(last_node)" ] || load_cluster
