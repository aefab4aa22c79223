# Part of mftd; see LICENSE.
"""What is uploaded just after the first route of an account was applied goes out:
whether its link is kept is known when it is published, by all that is configured,
and not when its session began or when its node heard of that route."""
import os
import signal

import paramiko
from partner import Partner
from rig import START_S, Rig, wait_for


def both(rig, partner, *routed):
    """Alice and bob, and routes of those to the partner."""
    head, _ = partner.objects(rig.alice, key_file=partner.key).split("routes:")
    head = head.replace("partners:", "  - name: bob\n    volume: main\n"
                        f"    root: bob\n    keys: [\"{rig.alice}\"]\n"
                        "partners:")
    if not routed:
        return head
    return head + "routes:\n" + "".join(
        f"  - name: {who}s\n    account: {who}\n    partner: acme\n"
        "    settle_s: 0\n" for who in routed)


def session(rig, who):
    """One that is open."""
    key = paramiko.Ed25519Key.from_private_key_file(str(rig.top / "etc/alice"))
    transport = paramiko.Transport(("127.0.0.1", rig.port))
    transport.connect(username=who, pkey=key)
    return paramiko.SFTPClient.from_transport(transport)


def put(sftp, name):
    with sftp.open(name, "wb") as f:
        f.write(name.encode())


def arrives(partner, name):
    path = partner.files / name
    wait_for(f"{name} at the partner", lambda: path.exists()
             and path.read_bytes() == name.encode(), START_S)


def apply(rig, objects):
    """Once this node has the configuration."""
    text = rig.mftctl("apply", rig.accounts(objects)).stdout
    version = int(text.split(":")[0].split()[1])
    rig.wait_status(
        lambda st: st["catalog"]["config_version"] == version, "configuration")


def test_session_that_is_older_than_any_route():
    with Rig() as rig, Partner() as partner:
        rig.up(both(rig, partner))
        with session(rig, "alice") as old:
            apply(rig, both(rig, partner, "alice"))
            put(old, "first")
            arrives(partner, "first")


def test_node_that_has_not_heard_of_the_route():
    with Rig() as rig, Partner() as partner:
        rig.up(both(rig, partner, "alice"))
        catalog, = rig.pids("catalog")
        os.kill(catalog, signal.SIGSTOP)
        try:
            rig.mftctl("apply", rig.accounts(both(rig, partner, "alice", "bob")))
            with session(rig, "bob") as sftp:
                put(sftp, "unheard")
        finally:
            os.kill(catalog, signal.SIGCONT)
        arrives(partner, "unheard")
