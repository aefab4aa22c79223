# Part of mftd; see LICENSE.
"""The database goes away while files are delivered: what is under way does
nothing that its row did not allow before, nothing begins, and all is resolved
when the database is back."""
import contextlib
import re
import signal

from databases import Postgres, Sqlite
from faults import play, scenes
from faults.plan import Fault
import rig as rigs
from rig import send, START_S

SIZES = (3000,) * 10
PARTNERS = 10       # two more than there are delivers
# the states in which a row allows the request, or has allowed it before
ALLOWS = {"open": {"SENDING", "SENT", "PUBLISHING", "DONE"},
          "rename": {"PUBLISHING", "DONE"}}


def wait_for(what, look):
    return rigs.wait_for(what, look, START_S)


@contextlib.contextmanager
def frozen(rig):
    """Outbound and its delivers do nothing meanwhile."""
    pids = set()
    while new := {pid for pid, kind in rig.processes().items()
                  if kind in ("outbound", "deliver")} - pids:
        for pid in new:     # one may have forked until it was its turn
            send(pid, signal.SIGSTOP)
        pids |= new
    try:
        yield
    finally:
        for pid in pids:
            send(pid, signal.SIGCONT)


def requests(partner, kind):
    """The deliveries for which that was asked, by their temporary names."""
    return {re.search(r"\.mft-(.+)\.\d+\.part$", line["path"])[1]
            for line in partner.story() if line["kind"] == kind}


def not_allowed(partner, rows):
    """What was asked of the partner before the row was written that allows
    it."""
    states = {row["id"]: row["state"] for row in rows}
    return [(kind, id_, states[id_]) for kind, allowed in ALLOWS.items()
            for id_ in requests(partner, kind) if states[id_] not in allowed]


def take_away(database, kind):
    """During a play: once that is asked of a partner, until outbound has
    noticed."""
    def during(rig, partner):
        noticed = r"outbound.*: (?:step|claim|counts|version): catalog away"
        with contextlib.ExitStack() as back:
            wait_for(f"a first {kind}", lambda: requests(partner, kind))
            with database(rig).away():
                wait_for("outbound sees that the database is away",
                         lambda: rig.lines(noticed))
                back.enter_context(frozen(rig))
            rows = database(rig).catalog()["deliveries"]
            assert not_allowed(partner, rows) == []
            assert {row["state"] for row in rows} != {"DONE"}
    return during


def todo(kind):
    slow = Fault("slow", kind=kind, times=4)
    return [scenes.Scene(SIZES, (slow,), certain=False)] * PARTNERS


def test_postgres_goes_away_while_files_are_sent():
    with Postgres() as database:
        found = play.play(todo("open"), "outage-open", database,
                          take_away(lambda rig: database, "open"))
    assert found.failures() == []


def test_sqlite_is_held_while_files_are_renamed():
    found = play.play(
        todo("rename"), "outage-rename", during=take_away(
            lambda rig: Sqlite(rig.state / "catalog.db"), "rename"))
    assert found.failures() == []
