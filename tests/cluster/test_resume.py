# Part of mftd; see LICENSE.
"""Uploads whose node or connection is lost, gone on with at another node."""
import random

import clients
import system
from history import recorder
from lab import plan

SIZE = 48 << 20
ENOUGH = 20 << 20       # written: then two syncs of 8 MiB are behind it
SYNCED = 8 << 20
KBIT_S = 80000


def make(lab):
    """A file, which is returned, and one that differs from it where the first
    try must have come: going on with it gives the first one, uploading it anew
    does not."""
    data = bytearray(random.Random(7).randbytes(SIZE))
    whole = clients.make_file(lab, "whole", data)
    data[:SYNCED - 1] = bytes(SYNCED - 1)
    clients.make_file(lab, "rest", data)
    return whole


def half_an_upload(run, node, whole):
    """A client in the middle of its upload through the node's address; it is
    told nothing."""
    lab, address = run.lab, system.addresses([node])[0]
    clients.ask(run.client("half"), address, whole, "big")
    client = clients.interactive(lab, address, "-l", str(KBIT_S))
    client.stdin.write(f"put {clients.OUT}/whole big\n")
    client.stdin.flush()
    system.wait(lambda: lab.check(
        "n3", "find", f"{plan.STORAGE}/.mft/parts", "-size",
        f"+{ENOUGH}c"), "the upload is well under way")
    return client


def go_on(run, address, whole):
    """A partner's script that resumes until it is told OK; how often."""
    tries = 0
    client = run.client("resumes")

    def done():
        nonlocal tries
        tries += 1
        number = clients.ask(client, address, whole, "big", "resume")
        status = clients.sftp(run.lab, address,
                              f"reput {clients.OUT}/rest big\n").returncode
        client.told(number, recorder.told_by_exit(status))
        return status == 0
    system.wait(done, "the upload is gone on with", 240, 0.5)
    return tries


def no_part_is_left(lab):
    assert lab.check("n3", "find", f"{plan.STORAGE}/.mft/parts",
                     "-type", "f") == ""


def test_upload_survives_its_node(run):
    """Fenced: what was durable is gone on with where the address is then."""
    lab, whole = run.lab, make(run.lab)
    address = system.addresses(["n1"])[0]
    client = half_an_upload(run, "n1", whole)
    try:
        lab.power_off("n1")
        tries = go_on(run, address, whole)
    finally:
        client.kill()
        client.wait()
    print(f"[resumed after {tries} tries]")
    no_part_is_left(lab)


def test_upload_is_taken_from_a_session_at_another_node(run):
    """Its client vanished without a word; the same account comes back through
    another node, and the old session is ended where it is."""
    lab, whole = run.lab, make(run.lab)
    client = half_an_upload(run, "n1", whole)
    stopped = lab.check("partner", "pgrep", "-x", "ssh").split()
    try:
        lab.check("partner", "kill", "-STOP", *stopped)
        assert go_on(run, system.addresses(["n2"])[0], whole) == 1
    finally:
        lab.check("partner", "kill", "-KILL", *stopped)
        client.kill()
        client.wait()
    no_part_is_left(lab)
