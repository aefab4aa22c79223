# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# The storage host: one directory, served by NFSv4 or GlusterFS. One machine is
# no shared storage that survives its loss: it is what is to be shared.

brick=/srv/mft-export
install -d -m 750 -o "$MFT_UID" -g "$MFT_UID" "$brick"

serve_nfs() {
	restart=
	install_packages nfs-kernel-server
	for address in $(words "$NODE_ADDRESSES"); do
		echo "$brick $address(rw,sync,no_subtree_check,no_root_squash)"
	done | put /etc/exports.d/mft.exports 644 root || :
	# No version 3, and so no rpcbind. A lost client's locks are kept for a lease.
	put /etc/nfs.conf.d/mft.conf 644 root <<-END && restart=restart
	[nfsd]
	vers3=n
	grace-time=15
	lease-time=15
	END
	systemctl --quiet enable nfs-server 2> /dev/null
	systemctl "${restart:-start}" nfs-server
	exportfs -ra
}

# What is cached by one node is stale on another: the caches are off.
serve_gluster() {
	install_packages glusterfs-server
	start_now glusterd
	wait_for 30 "glusterd answers" gluster volume list
	gluster volume info mft > /dev/null 2>&1 ||
		gluster --mode=script volume create mft "storage:$brick" force
	while read -r key value; do
		[ "$(gluster volume get mft "$key" |
			awk -v k="$key" '$1 == k { print $2 }')" = "$value" ] ||
			gluster --mode=script volume set mft "$key" "$value"
	done <<-END
	auth.allow $NODE_ADDRESSES,$STORAGE
	network.ping-timeout 10
	performance.quick-read off
	performance.stat-prefetch off
	performance.io-cache off
	performance.read-ahead off
	performance.write-behind off
	performance.open-behind off
	storage.owner-uid $MFT_UID
	storage.owner-gid $MFT_UID
	END
	[ "$(gluster volume info mft | sed -n 's/^Status: //p')" = Started ] ||
		gluster --mode=script volume start mft
}

"serve_$SHARED"
say "storage ($SHARED) is there"
