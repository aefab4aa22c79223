# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# Once, from the node that is set up last: objects, fencing, resources.

load_cluster() {
	wait_for 180 "all nodes are online and the cluster has quorum" all_online
	install -d -o mft -g mft "$volume/alice"
	wait_for 60 "mftctl apply succeeds" mftctl apply /etc/mft/objects.yaml
	cibadmin --query --xpath "//clone[@id='inbound-clone']" \
		> /dev/null 2>&1 || {
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

generate() {
	/usr/share/mftd/crm-config/generate --nodes "$NODES" "--$CRM_OR_PCS" "$@"
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
