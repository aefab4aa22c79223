# Part of mftd; see LICENSE.
"""Fetches are calls of a partner as deliveries are: what an objects file says
of its connections, hosts and algorithms is for them, too."""
import datetime
import os
import signal
import time

import pytest
from deposits import rows, wait_for, wait_rows
from test_after import story
from test_pull import content, objects, put, route, staged, unjudged

BIG = 20 << 20
UP = """  - name: up
    account: alice
    partner: acme
    directory: to
    files: [before, meanwhile]
    settle_s: 0
"""


def upload(rig, name):
    (rig.top / name).write_bytes(b"up")
    done = rig.sftp(f"put {rig.top}/{name} {name}\n")
    assert done.returncode == 0, done.stderr


def half_fetched(rig):
    return any((rig.volume / name).stat().st_size > 1 << 20
               for name in staged(rig) if name.startswith(".mft/staged"))


def done(rig):
    """What the deliveries that are DONE bring."""
    return {row["name"] for row in rows(rig) if row["state"] == "DONE"}


@pytest.mark.parametrize("connections", [1, 2])
def test_connections(connections):
    """A fetch has one of them while it transfers, and none while it rests."""
    with unjudged(route(), UP, connections=connections,
                  bandwidth="2M") as (rig, partner, _):
        # it looks, and rests, and a delivery finds its place
        upload(rig, "before")
        wait_rows(rig, 1)
        put(partner, "big", os.urandom((8 if connections == 1 else 24) << 20))
        wait_for(rig, "it is being fetched", lambda: half_fetched(rig))
        upload(rig, "meanwhile")
        wait_for(rig, "it is delivered", lambda: "meanwhile" in done(rig))
        alone = not any(row["name"] == "big" for row in rows(rig))
        assert alone == (connections > 1)
        wait_rows(rig, 3)


def test_bandwidth():
    """Of both fetches together; it may only take longer."""
    with unjudged(route("one"), route("two"),
                  bandwidth="3M") as (rig, partner, _):
        began = time.time()
        put(partner, "big", os.urandom(12 << 20))
        found = wait_rows(rig, 2)
        # what comes behind the fetch takes its time, too
        taken = max(datetime.datetime.fromisoformat(
            story(rig, row)["received"]).timestamp() for row in found) - began
        # the second look, and what a quarter second may be made up for
        assert taken >= 1 + 24 / 3 - 0.26
        assert {row["size"] for row in found} == {12 << 20}


def test_several_fetches_take_turns():
    """Of three routes, with one connection, each gets it."""
    with unjudged(*(route(name) for name in ("one", "two", "three")),
                  connections=1) as (rig, partner, _):
        for i in range(3):
            put(partner, f"f{i}", b"x")
            wait_rows(rig, 3 * (i + 1))


def kill_servers(partner):
    """All its connections end."""
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == partner.server.pid:
            continue
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
            if parent == partner.server.pid:
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue


def test_cut_fetch_is_gone_on_with():
    data = os.urandom(BIG)
    with unjudged(route().replace("every_s", "resume: verify\n      every_s"),
                  bandwidth="6M") as (rig, partner, _):
        put(partner, "big", data)
        wait_for(rig, "it is being fetched", lambda: (
            rig.volume / ".mft/staged/pull/.part").exists() and (
                rig.volume / ".mft/staged/pull/.part").stat().st_size
            > 6 << 20)
        kill_servers(partner)
        wait_rows(rig, 1)
        assert rig.lines(r"big goes on at \d{7,} of 20971520 bytes")
        assert content(rig.volume / "alice/box") == {"big": data}
        wait_for(rig, "nothing staged", lambda: not staged(rig))


def test_hosts_and_algorithms():
    """The host that does not answer gives way to the next one, by IPv6; of the
    algorithms there is one."""
    with unjudged(UP) as (rig, partner, _):
        conf = partner.top / "sshd_config"
        conf.write_text(f"ListenAddress [::1]:{partner.port}\n"
                        + conf.read_text())
        partner.server.send_signal(signal.SIGHUP)
        partner.wait_for(lambda: partner.count(r"Server listening on ::1"),
                         "it listens by IPv6")
        put(partner, "x", b"x")
        rig.mftctl("apply", rig.accounts(objects(
            rig, partner, route(), host="127.0.0.9",
            other_hosts=f'["[::1]:{partner.port}"]', ciphers="aes192-ctr",
            macs="hmac-sha2-512", key_exchanges="ecdh-sha2-nistp384")))
        wait_rows(rig, 1)
        assert partner.count(r"Connection from ::1")
        assert partner.count(r"aes192-ctr MAC: hmac-sha2-512 ")
        assert partner.count(r"kex: algorithm: ecdh-sha2-nistp384")
        assert not partner.count(r"Connection from 127\.0\.0\.1")


def test_source_address():
    with unjudged(route(), source="127.0.0.7") as (rig, partner, _):
        put(partner, "x", b"x")
        wait_rows(rig, 1)
        assert partner.count(r"Connection from 127\.0\.0\.7")
        assert not partner.count(r"Connection from 127\.0\.0\.1")
