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
$PCS resource create outbound-banks ocf:mft:outbound \
	queue=banks \
	op start interval=0s timeout=60s \
	op stop interval=0s timeout=60s on-fail=fence \
	op promote interval=0s timeout=60s \
	op demote interval=0s timeout=60s on-fail=fence \
	op monitor interval=10s timeout=20s role=Promoted \
	op monitor interval=11s timeout=20s role=Unpromoted \
	meta failure-timeout=60s \
	promotable outbound-banks-clone interleave=true
$PCS constraint colocation add outbound-banks-clone with inbound-clone INFINITY id=outbound-banks-with-inbound
$PCS constraint location outbound-banks-clone rule id=outbound-banks-failed-rule constraint-id=outbound-banks-failed \
	role=Promoted score=-INFINITY 'fail-count-outbound-banks#monitor_10000' gte 1
$PCS constraint location outbound-banks-clone rule id=outbound-banks-home-rule constraint-id=outbound-banks-home \
	role=Promoted score=3 '#uname' eq n1
$PCS resource create ip-outbound-banks ocf:heartbeat:IPaddr2 ip=192.0.2.31 \
	op monitor interval=10s timeout=20s
$PCS constraint colocation add ip-outbound-banks with Promoted outbound-banks-clone INFINITY id=ip-outbound-banks-with-promoted
$PCS constraint order start ip-outbound-banks then promote outbound-banks-clone id=ip-outbound-banks-first
$PCS resource create outbound-shops ocf:mft:outbound \
	queue=shops \
	op start interval=0s timeout=60s \
	op stop interval=0s timeout=60s on-fail=fence \
	op promote interval=0s timeout=60s \
	op demote interval=0s timeout=60s on-fail=fence \
	op monitor interval=10s timeout=20s role=Promoted \
	op monitor interval=11s timeout=20s role=Unpromoted \
	meta failure-timeout=60s \
	promotable outbound-shops-clone interleave=true
$PCS constraint colocation add outbound-shops-clone with inbound-clone INFINITY id=outbound-shops-with-inbound
$PCS constraint location outbound-shops-clone rule id=outbound-shops-failed-rule constraint-id=outbound-shops-failed \
	role=Promoted score=-INFINITY 'fail-count-outbound-shops#monitor_10000' gte 1
$PCS constraint location outbound-shops-clone rule id=outbound-shops-home-rule constraint-id=outbound-shops-home \
	role=Promoted score=3 '#uname' eq n2
$PCS resource create ip-outbound-shops ocf:heartbeat:IPaddr2 ip=192.0.2.32 \
	op monitor interval=10s timeout=20s
$PCS constraint colocation add ip-outbound-shops with Promoted outbound-shops-clone INFINITY id=ip-outbound-shops-with-promoted
$PCS constraint order start ip-outbound-shops then promote outbound-shops-clone id=ip-outbound-shops-first
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
$PCS constraint location outbound-clone rule id=outbound-home-rule constraint-id=outbound-home \
	role=Promoted score=3 '#uname' eq n3
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
