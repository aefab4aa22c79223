# Part of mftd; see LICENSE.
"""A partner that drops its connection at every packet of a delivery, loses
answers, lies or is full: each file comes once, and what can be known is known.
tests/faults/run does more of it."""
import pytest
from databases import Postgres
from faults import play, scenes
from faults.plan import Fault


@pytest.fixture(scope="module", name="calm")
def _calm():
    """The packets of a delivery, of a batch, of one whose rename was done and
    not answered, and of one whose rename was not done, by a partner that does
    nothing else wrong."""
    found = play.play(scenes.CALM, "faults-calm")
    assert found.failures() == []
    return found


def test_dropped_at_every_packet(calm):
    evidence = scenes.dropped(calm.kinds(2, 2), (scenes.RENAMED,))
    assert len(evidence) >= 3 * 4
    lost = scenes.dropped(calm.kinds(3, 2), (scenes.LOST,))
    assert len(lost) >= 3 * 15
    todo = [*scenes.dropped(calm.kinds(0)), *evidence, *lost,
            # every fifth of a batch; 5 and the 3 ways have no common divisor
            *scenes.dropped(calm.kinds(1), sizes=scenes.SMALL, step=5)]
    assert play.play(todo, "faults-dropped").failures() == []


def test_what_else_a_partner_may_do():
    with Postgres() as database:
        found = play.play(scenes.ODD, "faults-odd", database)
    assert found.failures() == []


def test_failures_are_seen(monkeypatch):
    """The scenes themselves can fail: another outcome than is allowed, a
    doubt, and a fault that never came."""
    monkeypatch.delenv("MFTD_HISTORY", raising=False)
    found = play.play([
        scenes.Scene(allowed=scenes.DOUBT),
        scenes.Scene(faults=(Fault("take", kind="rename"),)),
        scenes.Scene(faults=(Fault("refuse", kind="rename", nth=2),))],
        "faults-seen")
    bad = found.failures()
    assert len(bad) == 4, bad
    assert bad[0].startswith("doubted: 1-0 is in doubt"), bad
    assert "scene 0: 1 files, nothing: ['DONE']" in bad[1]
    assert bad[2].endswith("['IN_DOUBT']")
    assert bad[3].endswith("no refuse rename 2 of connection 1")
