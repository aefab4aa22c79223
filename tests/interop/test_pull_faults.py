# Part of mftd; see LICENSE.
"""A partner that drops its connection at every packet of a fetch, and of what
is done there afterwards, refuses or lies: each file comes once, and is taken
away there only when it is here for good.  tests/faults/run does more of it."""
import pytest
from faults import pulls
from faults.plan import ANY, Fault


@pytest.fixture(scope="module", name="calm")
def _calm():
    """The packets of one file that is deleted, and of some that are moved, by a
    partner that does nothing wrong."""
    found, bad = pulls.play([pulls.Scene("delete"),
                             pulls.Scene("move", pulls.SMALL)])
    assert bad == []
    return found


def test_dropped_at_every_packet(calm):
    todo = pulls.dropped(calm.kinds(0), "delete")
    assert len(todo) >= 3 * 20
    # of several files some; 5 and the 3 ways have no common divisor
    todo += pulls.dropped(calm.kinds(1), "move", pulls.SMALL, step=5)
    assert pulls.play(todo)[1] == []


def test_what_else_a_partner_may_do():
    """With files that are gone on with after each cut."""
    assert pulls.play([*pulls.ODD, *pulls.cut_again_and_again(6, 11)])[1] == []


def test_failures_are_seen():
    """The judge can tell: a fault that never came, a file that is taken away
    before it is here, and one that somebody else takes."""
    def during(_, partner):
        (partner.home / "from/1/1-0").unlink()
    _, bad = pulls.play([
        pulls.Scene(faults=(Fault("refuse", ANY, kind="rename"),)),
        pulls.Scene(sizes=pulls.SMALL)], during)
    assert "no refuse rename 1 of all connections" in bad[-2], bad
    assert any("in the account: ['1-1', '1-2']" in what for what in bad), bad
    assert "1-0 was taken away Counter" in bad[-1], bad
