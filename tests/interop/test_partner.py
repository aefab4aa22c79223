# Part of mftd; see LICENSE.
"""How a partner is called: hosts, address, algorithms, key and password; with
OpenSSH's server."""
import contextlib
import datetime
import json
import os
import socketserver
import sqlite3
import threading
import time

import pytest

from partner import PASSWORD, Partner
from rig import START_S, Rig, free_port


@pytest.fixture(name="rig")
def rig_fixture():
    with Rig() as r:
        secret = r.top / "etc/secret"
        secret.write_text(os.urandom(32).hex() + "\n")
        secret.chmod(0o640)
        os.chown(secret, 0, r.state.stat().st_gid)
        r.configure(f"secret_key: {secret}")
        yield r


def deliveries(rig):
    return [json.loads(line) for line in
            rig.mftctl("-j", "delivery", "list").stdout.splitlines()]


def upload(rig, text="some bytes"):
    (rig.top / "file").write_text(text)
    assert rig.sftp(f"put {rig.top}/file a.txt\n").returncode == 0


def wait_state(rig, *states):
    deadline = time.monotonic() + START_S
    while True:
        found = deliveries(rig)
        if found and found[0]["state"] in states:
            return found[0]
        if time.monotonic() > deadline:
            raise AssertionError(f"not {states}: {found}\n{rig.log_tail()}")
        time.sleep(0.05)


def delivered(rig, partner, **more):
    """Uploads a file, and it arrives."""
    rig.up(partner.objects(rig.alice, **more))
    upload(rig)
    wait_state(rig, "DONE")
    assert (partner.files / "a.txt").read_text() == "some bytes"


def test_key(rig):
    with Partner() as p:
        delivered(rig, p, key_file=p.key)
        assert p.count("Accepted publickey for root") == 1


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive"])
def test_password(rig, methods):
    """The password is nowhere in plain, neither in catalog nor snapshot."""
    with Partner(methods) as p:
        delivered(rig, p, password=f'"{PASSWORD}"')
        assert p.count(f"Accepted {methods}\\S* for root") == 1
    looked = [f for f in rig.state.rglob("*") if f.is_file()]
    assert any(b"$aes256gcm$" in f.read_bytes() for f in looked)
    for f in [*looked, rig.log]:
        assert PASSWORD.encode() not in f.read_bytes()


@pytest.mark.parametrize("second", ["password", "keyboard-interactive"])
def test_key_and_password(rig, second):
    with Partner(f"publickey,{second}") as p:
        delivered(rig, p, key_file=p.key, password=f'"{PASSWORD}"')
        assert p.count("Partial publickey for root") == 1
        assert p.count(f"Accepted {second}\\S* for root") == 1


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive"])
def test_wrong_password(rig, methods):
    """It waits, long, and says why."""
    with Partner(methods) as p:
        rig.up(p.objects(rig.alice, password='"wrong"'))
        upload(rig)
        wait_state(rig, "WAITING")
        assert "login refused" in rig.mftctl("delivery", "list").stdout
        assert not list(p.files.iterdir())
        assert len(list((rig.volume / ".mft/out").iterdir())) == 1


@contextlib.contextmanager
def hangs_up():
    """A server that ends each connection at once; its port."""
    class Closed(socketserver.BaseRequestHandler):
        def handle(self):
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Closed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_hosts_in_order(rig):
    """The first does not answer, the second is no SSH server."""
    with Partner() as p, hangs_up() as port:
        delivered(rig, p, key_file=p.key, port=free_port(),
                  other_hosts=f'["localhost:{port}", "127.0.0.1:{p.port}"]')


def test_first_host_is_enough(rig):
    """What the first says of a login is final."""
    with Partner("password") as p, Partner() as other:
        rig.up(p.objects(rig.alice, key_file=other.key,
                         other_hosts=f'["127.0.0.1:{other.port}"]'))
        upload(rig)
        wait_state(rig, "WAITING")
        assert other.count("Connection from") == 0


def test_source_address(rig):
    with Partner() as p:
        delivered(rig, p, key_file=p.key, source="127.0.0.7")
        assert p.count("Connection from 127.0.0.7 port") == 1


@pytest.mark.parametrize("source, words", [
    ("127.0.0.7", "Connection refused"),
    ("192.0.2.7", "Cannot assign requested address")])
def test_source_address_in_vain(rig, source, words):
    """It is said of the partner that it does not answer, and that the address
    is not here."""
    with Partner() as p:
        rig.up(p.objects(rig.alice, key_file=p.key, source=source,
                         port=free_port()))
        upload(rig)
        assert wait_state(rig, "WAITING")["error"] == \
            f"127.0.0.1 from {source}: {words}"
        done = rig.mftctl("partner", "test", "acme", check=False)
        assert f"127.0.0.1 from {source}: {words}" in done.stdout


def when(rig, what):
    """The times of the log at which deliveries went so, in seconds."""
    return [datetime.datetime.fromisoformat(t).timestamp()
            for t in rig.lines(rf"(?m)^(\S+) .* delivery .*: {what}")]


def test_bandwidth(rig):
    """Of both connections together; it may only take longer."""
    mib = 1 << 20
    (rig.top / "big").write_bytes(os.urandom(9 * mib))
    with Partner() as p:
        rig.up(p.objects(rig.alice, key_file=p.key, connections=2,
                         bandwidth="6M"))
        assert rig.sftp(f"put {rig.top}/big one\n"
                        f"put {rig.top}/big two\n").returncode == 0
        p.wait_for(lambda: len(when(rig, "\\S+ -> DONE")) == 2,
                   "both are there")
        taken = max(when(rig, "SENDING -> PUBLISHING")) - \
            min(when(rig, "CLAIMED -> SENDING"))
        # a quarter second may be made up for, and times are of milliseconds
        assert taken >= 18 / 6 - 0.26
        for name in ("one", "two"):
            assert (p.files / name).read_bytes() == \
                (rig.top / "big").read_bytes()


def test_algorithms(rig):
    with Partner() as p:
        delivered(rig, p, key_file=p.key, ciphers="aes128-ctr",
                  macs="hmac-sha2-512", key_exchanges="ecdh-sha2-nistp384")
        assert p.count("kex: algorithm: ecdh-sha2-nistp384") == 1
        assert p.count("cipher: aes128-ctr MAC: hmac-sha2-512") == 2


def test_usual_ciphers(rig):
    """AES-GCM is taken when nobody says otherwise."""
    with Partner() as p:
        delivered(rig, p, key_file=p.key)
        assert p.count("cipher: aes256-gcm@openssh.com MAC: <implicit>") == 2


def test_no_such_algorithm(rig):
    with Partner() as p:
        objects = p.objects(rig.alice, key_file=p.key, ciphers="rot13")
        assert "ciphers: knows no rot13" in refused(rig, objects)
        rig.up(objects.replace("rot13", "aes256-ctr"))
        # as an older program may have left it
        with contextlib.closing(
                sqlite3.connect(rig.state / "catalog.db")) as db, db:
            db.execute("UPDATE partner SET ciphers = 'rot13'")
            db.execute("UPDATE config SET version = version + 1")
        rig.stop()
        rig.start()
        upload(rig)
        assert wait_state(rig, "WAITING")["tries"] == 0
        assert "options" in rig.mftctl("delivery", "list").stdout


def test_password_goes_to_no_other_server(rig):
    """Who can change the catalog, but has no key, does not get it."""
    with Partner("password") as p, Partner("password") as eve:
        rig.up(p.objects(rig.alice, password=f'"{PASSWORD}"'))
        with contextlib.closing(
                sqlite3.connect(rig.state / "catalog.db")) as db, db:
            db.execute("UPDATE partner SET port = ?", (eve.port,))
            db.execute("UPDATE partner_key SET line = ?", (eve.host_key,))
            db.execute("UPDATE config SET version = version + 1")
        rig.stop()
        rig.start()
        upload(rig)
        wait_state(rig, "WAITING")
        assert "not sealed for this name and these host keys" in \
            rig.mftctl("delivery", "list").stdout
        assert eve.count("Accepted|Failed") == 0


def refused(rig, objects):
    done = rig.mftctl("apply", rig.accounts(objects), check=False)
    assert done.returncode == 1
    return done.stderr


def tested(rig):
    done = rig.mftctl("partner", "test", "acme", check=False)
    assert done.returncode == 1
    return done.stdout


def test_secret_key(rig):
    """Without the key a password is refused; with another one the old ones
    cannot be opened, and that is said."""
    with Partner("password") as p:
        objects = p.objects(rig.alice, password=f'"{PASSWORD}"')
        secret = rig.top / "etc/secret"
        text = secret.read_text()
        secret.chmod(0o644)
        assert "everybody may read" in refused(rig, objects)
        secret.chmod(0o640)
        secret.write_text(text[2:])
        assert "64 hexadecimal digits" in refused(rig, objects)
        secret.write_text(text)
        rig.up(objects)
        secret.chmod(0o644)
        assert "secret_key of mftd.yaml: is a file that everybody may read" \
            in tested(rig)
        secret.chmod(0o640)
        secret.write_text(text[2:])
        assert "is no file of 64 hexadecimal digits" in tested(rig)
        secret.write_text("00" * 32 + "\n")
        upload(rig)
        wait_state(rig, "WAITING")
        assert "another node's secret_key" in \
            rig.mftctl("delivery", "list").stdout
        assert p.count("Connection from") == 0
    conf = rig.conf.read_text()
    rig.conf.write_text(conf.replace("secret_key", "# secret_key"))
    assert "names no secret_key" in refused(rig, objects)
