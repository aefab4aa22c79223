# Part of mftd; see LICENSE.
"""What is broken behind mftd's back, between the start after a cut and the
look, is found, and that alone."""
import os
import pathlib
import sqlite3
import tempfile

import pytest
import rounds
from rig import TMP
from victim import Victim


def files(victim):
    """What is there, the largest last."""
    return sorted((p for p in (victim.rig.volume / "alice").rglob("*")
                   if p.is_file()), key=lambda p: p.stat().st_size)


def flip(victim):
    with open(files(victim)[-1], "r+b") as f:
        byte = f.read(1)
        f.seek(0)
        f.write(bytes([byte[0] ^ 1]))


def cut_short(victim):
    path = files(victim)[-1]
    os.truncate(path, path.stat().st_size - 1)


def remove(victim):
    files(victim)[-1].unlink()


def under_another_name(victim):
    path = files(victim)[-1]
    os.link(path, path.with_name("another"))


def in_the_catalog(victim):
    """A receipt less."""
    with sqlite3.connect(victim.rig.state / "catalog.db") as db:
        db.execute("DELETE FROM receipt WHERE id = (SELECT id FROM receipt "
                   "WHERE outcome = 'PUBLISHED' LIMIT 1)")


@pytest.mark.parametrize("broken, kind, counted", [
    (flip, "corrupt", "corrupt"), (cut_short, "corrupt", "corrupt"),
    (remove, "lost", "lost"), (under_another_name, "stray", None),
    (in_the_catalog, "unforwarded", "lost")])
def test_it_is_found(broken, kind, counted, monkeypatch):
    monkeypatch.delenv("MFTD_HISTORY", raising=False)
    check = rounds.Round.check

    def broken_check(self):
        if self.number == 2:
            broken(self.victim)
        return check(self)
    monkeypatch.setattr(rounds.Round, "check", broken_check)
    with tempfile.TemporaryDirectory(prefix="mftd-disk-", dir=TMP) as top:
        os.chmod(top, 0o755)
        with Victim("ext4", pathlib.Path(top), 5, {}) as victim:
            assert victim.round(1) == []
            assert [v.kind for v in victim.round(2)] == [kind]
            assert victim.round(3) == []        # it is told once
            totals = victim.totals()
    assert totals["cuts"] == 3 and totals["violations"] == 1
    assert {name for name in ("lost", "corrupt", "duplicated")
            if totals[name]} == ({counted} if counted else set())
