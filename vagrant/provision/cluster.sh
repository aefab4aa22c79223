# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# Once, from the node that is set up last: objects, fencing, resources.

load_cluster() {
	wait_for 180 "all nodes are online and the cluster has quorum" all_online
	install -d -o mft -g mft "$volume/alice"
	wait_for 60 "mftctl apply succeeds" mftctl apply /etc/mft/objects.yaml
	cibadmin --query --xpath "//clone[@id='inbound-clone']" \
		> /dev/null 2>&1 || {
		[ "${PATIENCE:-1}" = 1 ] || crm_attribute -t op_defaults \
			-n timeout -v $((20 * PATIENCE))s
		"fence_$PROVIDER"
		generate --addresses "$FLOATING" | load
	}
	wait_for 120 "the resources have started" all_started
	say "the cluster is up"
}

all_online() {
	[ "$(crm_mon -1 --output-as=xml | grep -c '<node .*online="true"')" = \
		"$(words "$NODES" | wc -w)" ] &&
		crm_mon -1 --output-as=xml | grep -q 'with_quorum="true"'
}

# One instance of outbound is promoted, and each floating address is up.
all_started() {
	found=$(crm_mon -1 --output-as=xml)
	echo "$found" | grep 'id="outbound"' |
		grep -qE 'role="(Promoted|Master)"' || return 1
	for node in $(words "$NODES"); do
		echo "$found" | grep "id=\"ip-$node\"" | grep -q 'role="Started"' ||
			return 1
	done
}

# Emulated machines take as many times longer; IPaddr2's start took 20 s.
generate() {
	/usr/share/mftd/crm-config/generate --nodes "$NODES" "--$CRM_OR_PCS" \
		"$@" | sed "s/ timeout=20s/ timeout=$((20 * ${PATIENCE:-1}))s/
		s/ timeout=60s/ timeout=$((60 * ${PATIENCE:-1}))s/"
}

load() {
	case $CRM_OR_PCS in
	crm) crm configure load update - ;;
	pcs) sh ;;
	esac
}

# Containers have BMCs, simulated on the host (host/rack). Fencing is off, not
# reboot: a container is up again before the cluster knows that it was fenced,
# and Pacemaker then stops there for good. `vagrant up` switches it on.
fence_lxc() {
	generate --bmc "$BMCS" | load
	case $CRM_OR_PCS in
	crm) crm configure property stonith-action=off ;;
	pcs) pcs property set stonith-action=off ;;
	esac
}

# fence_virtd (host/rack-libvirt) does it for all nodes.
fence_libvirt() {
	set -- ipaddr="$HOST" key_file=/etc/cluster/fence_xvm.key \
		pcmk_host_map="$(each_node | while read -r node _; do
			printf '%s:%s-%s;' "$node" "$NAME" "$node"
		done)" pcmk_host_check=static-list \
		pcmk_host_list="$(words "$NODES")"
	case $CRM_OR_PCS in
	crm)
		for pair; do
			printf ' %s="%s"' "${pair%%=*}" "${pair#*=}"
		done | {
			printf 'primitive fencing stonith:fence_virt params'
			cat
			printf ' op monitor interval=60s timeout=60s\n'
		} | crm configure load update -
		;;
	pcs)
		pcs stonith create fencing fence_virt "$@" op monitor \
			interval=60s timeout=60s
		;;
	esac
}
