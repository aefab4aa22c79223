#!/bin/sh
# Part of mftd; see LICENSE.
# The topology for n1 n2 n3, by generate.
# shellcheck disable=SC1010
set -e
: "${PCS:=pcs}"
$PCS property set stonith-enabled=true no-quorum-policy=stop
$PCS resource create inbound ocf:mft:inbound \
	op start interval=0s timeout=60s \
	op stop interval=0s timeout=60s on-fail=fence \
	op monitor interval=10s timeout=20s \
	op notify interval=0s timeout=20s \
	meta failure-timeout=60s \
	clone inbound-clone interleave=true notify=true
$PCS resource create storage ocf:mft:storage \
	directory=/srv/mft \
	op start interval=0s timeout=20s \
	op stop interval=0s timeout=20s \
	op monitor interval=10s timeout=20s \
	meta failure-timeout=60s \
	clone storage-clone interleave=true
$PCS constraint location inbound-clone rule \
	id=inbound-not-on-red-rule constraint-id=inbound-not-on-red \
	score=-INFINITY mft-storage eq red
$PCS resource create outbound ocf:mft:outbound \
	queue=default \
	op start interval=0s timeout=60s \
	op stop interval=0s timeout=60s on-fail=fence \
	op promote interval=0s timeout=60s \
	op demote interval=0s timeout=60s on-fail=fence \
	op monitor interval=10s timeout=20s role=Promoted \
	op monitor interval=11s timeout=20s role=Unpromoted \
	meta failure-timeout=60s \
	promotable outbound-clone interleave=true
$PCS constraint colocation add outbound-clone with inbound-clone INFINITY id=outbound-with-inbound
$PCS constraint location outbound-clone rule id=outbound-failed-rule constraint-id=outbound-failed \
	role=Promoted score=-INFINITY 'fail-count-outbound#monitor_10000' gte 1
$PCS resource create ip-n1 ocf:heartbeat:IPaddr2 ip=192.0.2.11 \
	op monitor interval=10s timeout=20s
$PCS constraint location add ip-n1-on-n1 ip-n1 n1 300
$PCS constraint location add ip-n1-on-n2 ip-n1 n2 200
$PCS constraint location add ip-n1-on-n3 ip-n1 n3 100
$PCS constraint colocation add ip-n1 with inbound-clone INFINITY id=ip-n1-with-inbound
$PCS constraint order start inbound-clone then start ip-n1 kind=Optional id=inbound-before-ip-n1
$PCS resource create ip-n2 ocf:heartbeat:IPaddr2 ip=192.0.2.12 \
	op monitor interval=10s timeout=20s
$PCS constraint location add ip-n2-on-n2 ip-n2 n2 300
$PCS constraint location add ip-n2-on-n3 ip-n2 n3 200
$PCS constraint location add ip-n2-on-n1 ip-n2 n1 100
$PCS constraint colocation add ip-n2 with inbound-clone INFINITY id=ip-n2-with-inbound
$PCS constraint order start inbound-clone then start ip-n2 kind=Optional id=inbound-before-ip-n2
$PCS resource create ip-n3 ocf:heartbeat:IPaddr2 ip=192.0.2.13 \
	op monitor interval=10s timeout=20s
$PCS constraint location add ip-n3-on-n3 ip-n3 n3 300
$PCS constraint location add ip-n3-on-n1 ip-n3 n1 200
$PCS constraint location add ip-n3-on-n2 ip-n3 n2 100
$PCS constraint colocation add ip-n3 with inbound-clone INFINITY id=ip-n3-with-inbound
$PCS constraint order start inbound-clone then start ip-n3 kind=Optional id=inbound-before-ip-n3
