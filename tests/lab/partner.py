# Part of mftd; see LICENSE.
"""The partner: a host outside the cluster with OpenSSH's client and server.

Its client (root there) has a key for the account alice and knows the
cluster's host key; its server takes acme's key, and writes each SFTP
operation, renames above all, to /var/log/syslog with a time.
"""
from . import files, plan, service

_SSHD = """Port 22
ListenAddress 0.0.0.0
HostKey /etc/ssh/lab_host_ed25519_key
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
LogLevel VERBOSE
MaxStartups 100
Subsystem sftp internal-sftp -l INFO
Match User acme
	ForceCommand internal-sftp -l INFO
	AllowTcpForwarding no
	X11Forwarding no
"""
_SSH = """Host *
	User alice
	IdentityFile /root/.ssh/id_ed25519
	IdentitiesOnly yes
	BatchMode yes
	StrictHostKeyChecking yes
	UpdateHostKeys no
	ConnectTimeout 5
"""


def make_keys(state):
    """Keys of everyone who speaks SSH in the lab; public lines by name."""
    for name in ("mftd-host", "partner-host", "alice", "acme"):
        files.keypair(state("keys", name), name)


def public_key(state, name):
    return " ".join(files.text_of(state("keys", f"{name}.pub")).split()[:2])


def prepare(state):
    mine = state("hosts", plan.PARTNER)
    uid = plan.PARTNER_UID
    etc, home = f"{mine}/etc", f"{mine}/home/acme"
    files.put(f"{etc}/ssh/lab_sshd_config", _SSHD)
    _copy(state, "partner-host", f"{etc}/ssh/lab_host_ed25519_key")
    for d in ("", "inbox", ".ssh"):
        files.make(f"{home}/{d}", 0o755, uid, uid)
    files.put(f"{home}/.ssh/authorized_keys",
              public_key(state, "acme") + "\n", 0o600, uid, uid)
    files.make(f"{mine}/root/.ssh", 0o700)
    files.put(f"{mine}/root/.ssh/config", _SSH, 0o600)
    _copy(state, "alice", f"{mine}/root/.ssh/id_ed25519")
    files.put(f"{mine}/root/.ssh/known_hosts",
              f"* {public_key(state, 'mftd-host')}\n", 0o600)


def _copy(state, key, path):
    files.put(path, files.text_of(state("keys", key)), 0o600)


def rc(_name, _settings):
    """Inside the host."""
    service.spawn("sshd.log", "/usr/sbin/sshd", "-D", "-f",
                  "/etc/ssh/lab_sshd_config")
    service.await_port(22)
