#!/bin/sh
# Part of mftd; see LICENSE.
# The fence devices for n1 n2 n3, by generate.
# shellcheck disable=SC1010
set -e
: "${PCS:=pcs}"
$PCS stonith create fence-n1 fence_ipmilan ip=192.0.2.21 username=admin password_script=/etc/mft/fence-password lanplus=true pcmk_host_list=n1 \
	op monitor interval=60s timeout=60s
$PCS constraint location fence-n1 avoids n1
$PCS stonith create fence-n2 fence_ipmilan ip=192.0.2.22 username=admin password_script=/etc/mft/fence-password lanplus=true pcmk_host_list=n2 \
	op monitor interval=60s timeout=60s
$PCS constraint location fence-n2 avoids n2
$PCS stonith create fence-n3 fence_ipmilan ip=192.0.2.23 username=admin password_script=/etc/mft/fence-password lanplus=true pcmk_host_list=n3 \
	op monitor interval=60s timeout=60s
$PCS constraint location fence-n3 avoids n3
