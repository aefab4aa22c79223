# Part of mftd; see LICENSE.
"""What is uploaded just after the first route of an account was applied goes out:
whether its link is kept is known when it is published, by all that is configured,
and not when its session began or when its node heard of that route."""
import contextlib
import os
import signal
import sqlite3
import subprocess

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


def version(rig):
    """Of what is stored, whoever works by it."""
    with contextlib.closing(sqlite3.connect(rig.state / "catalog.db")) as db:
        return db.execute("SELECT version FROM config").fetchone()[0]


def arrives(partner, name):
    path = partner.files / name
    wait_for(f"{name} at the partner", lambda: path.exists()
             and path.read_bytes() == name.encode(), START_S)


def test_session_that_is_older_than_any_route():
    with Rig() as rig, Partner() as partner:
        rig.up(both(rig, partner))
        with session(rig, "alice") as old:
            rig.mftctl("apply", rig.accounts(both(rig, partner, "alice")))
            put(old, "first")
            arrives(partner, "first")


def test_node_that_has_not_heard_of_the_route():
    with Rig() as rig, Partner() as partner:
        rig.up(both(rig, partner, "alice"))
        with rig.stopped("catalog"):
            rig.mftctl("apply", rig.accounts(both(rig, partner, "alice", "bob")))
            with session(rig, "bob") as sftp:
                put(sftp, "unheard")
        arrives(partner, "unheard")


def test_apply_returns_when_its_node_has_heard():
    with Rig() as rig, Partner() as partner:
        rig.up(both(rig, partner))
        rig.wait_status(lambda st: st["catalog"]["reachable"], "the catalog")
        catalog = rig.pid("catalog")
        with session(rig, "alice") as sftp:
            rig.stop_process(catalog)
            with subprocess.Popen(
                    [rig.program("mftctl"), "-f", rig.conf, "apply",
                     rig.accounts(both(rig, partner, "alice"))],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True) as apply:
                wait_for("the configuration", lambda: version(rig) == 2, START_S)
                sftp.listdir()
                waits = apply.poll() is None
                os.kill(catalog, signal.SIGCONT)
                _, said = apply.communicate()
                assert apply.returncode == 0
                assert waits or "not taken configuration 2" in said
            put(sftp, "at once")
            arrives(partner, "at once")
