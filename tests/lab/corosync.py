# Part of mftd; see LICENSE.
"""A cluster node's services: corosync, then pacemaker, as if enabled."""
import grp
import os
import pwd
import secrets

from . import files, pacemaker, plan, service

_PACEMAKER_DIRS = ("", "cib", "pengine", "cores", "blackbox")


def make_authkey(state):
    files.put(state("keys", "corosync"), secrets.token_bytes(256), 0o400)
    files.put(state("keys", "pacemaker"), secrets.token_bytes(256), 0o400)


def prepare(state, name, nodes):
    """Configuration and state directories of one node."""
    mine = state("hosts", name)
    etc, var = f"{mine}/etc", f"{mine}/var"
    ha = pwd.getpwnam("hacluster").pw_uid, grp.getgrnam("haclient").gr_gid
    files.hide_lower(f"{etc}/corosync")
    files.put(f"{etc}/corosync/corosync.conf", configuration(nodes))
    files.put(f"{etc}/corosync/uidgid.d/mft",
              "uidgid {\n\tuid: mft\n\tgid: mft\n}\n")
    _copy(state, "corosync", f"{etc}/corosync/authkey", 0o400, 0, 0)
    files.hide_lower(f"{etc}/pacemaker")
    _copy(state, "pacemaker", f"{etc}/pacemaker/authkey", 0o640, 0, ha[1])
    for d in ("lib/corosync", "log/corosync", "lib/pcsd", "log/pcsd"):
        files.make(f"{var}/{d}")
    for d in _PACEMAKER_DIRS:
        files.make(f"{var}/lib/pacemaker/{d}", 0o750, *ha)
    files.put(f"{var}/lib/pacemaker/cib/cib.xml", pacemaker.first_cib(),
              0o600, *ha)
    files.make(f"{var}/log/pacemaker", 0o770, *ha)
    files.make(f"{var}/log/crmsh", 0o770, *ha)
    files.make(f"{var}/lib/mft", 0o700, plan.MFT_UID, plan.MFT_UID)


def _copy(state, key, path, mode, uid, gid):
    with open(state("keys", key), "rb") as f:
        files.put(path, f.read(), mode, uid, gid)


def configuration(nodes):
    """corosync.conf; an opening brace has to end its line."""
    quorum = "\tprovider: corosync_votequorum\n"
    if len(nodes) == 2:
        quorum += "\ttwo_node: 1\n"
    listed = "".join(
        f"\tnode {{\n\t\tname: {n}\n\t\tnodeid: {plan.node_number(n)}\n"
        f"\t\tring0_addr: {plan.address(n)}\n\t}}\n" for n in nodes)
    return f"""totem {{
	version: 2
	cluster_name: {plan.CLUSTER}
	transport: knet
	crypto_cipher: aes256
	crypto_hash: sha256
	token: {plan.TOKEN_MS}
	token_coefficient: 0
}}
quorum {{
{quorum}}}
nodelist {{
{listed}}}
logging {{
	to_stderr: no
	to_syslog: no
	to_logfile: yes
	logfile: /var/log/corosync/corosync.log
	timestamp: hires
}}
"""


def rc(_name, _settings):
    """Inside the node."""
    service.spawn_notify("corosync/stderr.log", "corosync", "-f")
    os.makedirs("/run/crm", exist_ok=True)
    service.spawn("pacemaker/stderr.log", "pacemakerd", "-f", env={
        "PCMK_logfile": "/var/log/pacemaker/pacemaker.log",
        "PCMK_logfacility": "none",
        "HA_LOGFILE": "/var/log/pacemaker/agents.log",
        "HA_DEBUGLOG": "/var/log/pacemaker/agents.log"})
