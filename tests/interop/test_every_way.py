# Part of mftd; see LICENSE.
"""Every way in which a route may put a file at its partner, together, with every
kind of file that may have its name there: to each what the manual says."""
import itertools
import json

import pytest
from rig import USER, Rig, wait_for
from sshd import Sshd

PATIENCE_S = 240
IF_EXISTS = ("fail", "number", "overwrite", "skip")
TEMP = (None, "temp_suffix: .part", "temp_directory: tmp")
MTIME = ("unique", "preserve")
TRIGGER = (None, "trigger: .ok")
AFTER = {"fail": "FAILED", "number": "DONE", "overwrite": "DONE"}
# What has the name: by what is to come there.
THERE = {
    "nothing": lambda content: None,
    "another": lambda content: b"theirs",
    "as_long": lambda content: b"#" * len(content),
    "the_same": lambda content: content,
}


class Case:
    """One file of one way."""

    def __init__(self, number, way, there):
        self.if_exists, self.temp, self.mtime, self.trigger = way
        self.words = f"{way} {there}"
        self.name = f"r{number:02d}-{there}.txt"
        self.content = (self.name * 20).encode()
        self.theirs = THERE[there](self.content)
        self.taken = self.theirs is not None

    def state(self):
        if not self.taken:
            return "DONE"
        if self.if_exists == "skip":
            return "DONE" if self.theirs == self.content else "FAILED"
        return AFTER[self.if_exists]

    def files(self):
        """What is there in the end, by name."""
        files = {self.name: self.theirs} if self.taken else {}
        name = self.name
        if self.taken and self.if_exists == "number":
            name = name.replace(".txt", "-1.txt")
        if self.state() == "DONE":
            files[name] = self.content
            if self.trigger:
                files[name + ".ok"] = b""
        return files


def route(number, way):
    if_exists, temp, mtime, trigger = way
    lines = [f"name: r{number:02d}", "account: alice", "partner: acme",
             "directory: in", f"files: [\"r{number:02d}-*\"]", "settle_s: 0",
             f"if_exists: {if_exists}", f"mtime: {mtime}", temp, trigger]
    return "  - " + "\n    ".join(filter(None, lines)) + "\n"


@pytest.mark.parametrize("server", [(), ("-P", "fsetstat")],
                         ids=["usual", "keeps_no_times"])
def test_every_way(server):
    ways = list(enumerate(itertools.product(IF_EXISTS, TEMP, MTIME, TRIGGER)))
    cases = [Case(number, way, there)
             for number, way in ways for there in THERE]
    with Sshd(USER) as partner, Rig() as rig:
        partner.options(*server)
        (partner.home / "tmp").mkdir()
        directory = partner.home / "in"
        rig.up(f"accounts:\n  - name: alice\n    volume: main\n    root: alice\n"
               f"    keys: [\"{rig.alice}\"]\npartners:\n{partner.objects()}"
               "routes:\n" + "".join(route(*numbered) for numbered in ways))
        for case in cases:
            (rig.top / case.name).write_bytes(case.content)
            if case.taken:
                (directory / case.name).write_bytes(case.theirs)
        done = rig.sftp("".join(f"put {rig.top}/{case.name} {case.name}\n"
                                for case in cases))
        assert done.returncode == 0, done.stderr

        def rows():
            found = [json.loads(line) for line in rig.mftctl(
                "-j", "delivery", "list").stdout.splitlines()]
            return len(found) == len(cases) and all(
                row["state"] in ("DONE", "FAILED", "IN_DOUBT")
                for row in found) and found
        states = {row["name"].replace("-1.txt", ".txt"): row["state"]
                  for row in wait_for("their end", rows, PATIENCE_S,
                                      rig.log_tail)}
        there = {path.name: path.read_bytes() for path in directory.iterdir()}
        wanted = {}
        wrong = []
        for case in cases:
            wanted.update(case.files())
            if states[case.name] != case.state():
                wrong.append(f"{case.words}: {states[case.name]}")
        assert not wrong
        assert there == wanted
        assert not any((partner.home / "tmp").iterdir())
