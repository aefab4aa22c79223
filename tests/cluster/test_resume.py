# Part of mftd; see LICENSE.
"""Uploads whose node or connection is lost, gone on with at another node."""
import os
import random

import clients
import system
from lab import plan

SIZE = 48 << 20
ENOUGH = 20 << 20       # written: then two syncs of 8 MiB are behind it
SYNCED = 8 << 20
KBIT_S = 80000


def make(lab):
    """A file, and one that differs from it where the first try must have
    come: going on with it gives the first, uploading it anew does not."""
    data = bytearray(random.Random(7).randbytes(SIZE))
    where = lab.path("partner", "/root")
    with open(os.path.join(where, "whole"), "wb") as f:
        f.write(data)
    data[:SYNCED - 1] = bytes(SYNCED - 1)
    with open(os.path.join(where, "rest"), "wb") as f:
        f.write(data)


def half_an_upload(lab, node):
    """A client in the middle of its upload through the node's address."""
    client = clients.interactive(
        lab, system.addresses([node])[0], "-l", str(KBIT_S))
    client.stdin.write("put /root/whole big\n")
    client.stdin.flush()
    system.wait(lambda: lab.check(
        "n3", "find", f"{plan.STORAGE}/.mft/parts", "-size",
        f"+{ENOUGH}c"), "the upload is well under way")
    return client


def go_on(lab, address):
    """A partner's script that resumes until it is told OK; how often."""
    tries = 0

    def done():
        nonlocal tries
        tries += 1
        return clients.sftp(
            lab, address, "reput /root/rest big\n").returncode == 0
    system.wait(done, "the upload is gone on with", 240, 0.5)
    return tries


def check(lab):
    want = lab.check("partner", "sha256sum", "/root/whole").split()[0]
    have = lab.check("n3", "sha256sum", f"{plan.STORAGE}/alice/big").split()[0]
    assert have == want
    assert lab.check("n3", "find", f"{plan.STORAGE}/.mft/parts",
                     "-type", "f") == ""


def test_upload_survives_its_node(lab):
    """Fenced: what was durable is gone on with where the address is then."""
    make(lab)
    address = system.addresses(["n1"])[0]
    client = half_an_upload(lab, "n1")
    try:
        lab.power_off("n1")
        tries = go_on(lab, address)
    finally:
        client.kill()
        client.wait()
    print(f"[resumed after {tries} tries]")
    check(lab)


def test_upload_is_taken_from_a_session_at_another_node(lab):
    """Its client vanished without a word; the same account comes back through
    another node, and the old session is ended where it is."""
    make(lab)
    client = half_an_upload(lab, "n1")
    stopped = lab.check("partner", "pgrep", "-x", "ssh").split()
    try:
        lab.check("partner", "kill", "-STOP", *stopped)
        assert go_on(lab, system.addresses(["n2"])[0]) == 1
    finally:
        lab.check("partner", "kill", "-KILL", *stopped)
        client.kill()
        client.wait()
    check(lab)
