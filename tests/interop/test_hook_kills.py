# Part of mftd; see LICENSE.
"""Hooks while processes are killed and the database is away: nobody is told of
what is DONE again, nothing is told less than once."""
import collections
import pathlib
import random
import signal
import threading
import time

import pytest
from databases import Postgres
from hooks import HookRig, wait_for
from rig import send, USER
from sshd import Sshd

# outbound and hooks not too often: who ends all the time is given up
KILLS = ["hook"] * 10 + ["hooks"] * 3 + ["outbound"] * 3


@pytest.fixture(scope="module", name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


@pytest.fixture(name="rig")
def _rig():
    with HookRig() as rig:
        yield rig


def kill(rig, kind):
    """The processes of that kind, which are there; how many."""
    return sum(send(pid) for pid in rig.pids(kind))


def hold(prog):
    """Tries wait for release; their processes are in `pids`."""
    prog.orders(f"echo $$ >> {prog.top}/pids\n"
                f"while [ ! -e {prog.top}/go ]; do sleep 0.05; done")


def release(prog):
    (prog.top / "go").touch()


def is_gone(pid):
    """Ended, be it not waited for yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text() \
            .rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def start_one(rig, partner, prog):
    """A program that has been told and has not come to its end; its pid."""
    hold(prog)
    rig.up(rig.objects(partner, {"h": ["on: [received]", prog.hook()]}))
    rig.upload("first")
    wait_for("a try", (prog.top / "pids").exists, rig)
    return wait_for("its pid", lambda: (prog.top / "pids").read_text()
                    .split())[0]


@pytest.mark.parametrize("kind, told", [("hook", 2), ("hooks", 2),
                                        ("outbound", 1)])
def test_killed_amid_a_try(rig, partner, kind, told):
    """The program ends with its try, and it is tried again; it goes on when
    just the owner of the queue begins anew."""
    prog = rig.listener()
    pid = start_one(rig, partner, prog)
    assert kill(rig, kind) == 1
    if told > 1:
        wait_for("the program's end", lambda: is_gone(pid), rig)
        wait_for("another try", lambda: len(prog.told()) == 2, rig)
    else:
        wait_for("another owner", lambda: rig.lines("epoch 2 is ours"), rig)
        assert not is_gone(pid)
    release(prog)
    rig.wait_runs("h", DONE=1)
    rig.upload("second")
    rig.wait_runs("h", DONE=2)
    counts = collections.Counter(prog.told())
    assert sorted(counts.values()) == sorted([told, 1]), counts


def test_daemon_killed_amid_a_try(rig, partner):
    prog = rig.listener()
    pid = start_one(rig, partner, prog)
    rig.stop(signal.SIGKILL)
    wait_for("the program's end", lambda: is_gone(pid))
    release(prog)
    rig.start()
    rig.wait_runs("h", DONE=1)
    assert len(prog.told()) == 2 and len(set(prog.told())) == 1
    rig.stop(signal.SIGKILL)
    rig.start()
    rig.upload("second")
    rig.wait_runs("h", DONE=2)
    assert len(prog.told()) == 3


def test_daemon_stopped_lets_a_try_end(rig, partner):
    """What takes no longer than that is told once."""
    prog = rig.listener()
    start_one(rig, partner, prog)
    release(prog)
    rig.stop()
    rig.start()
    rig.wait_runs("h", DONE=1)
    assert len(prog.told()) == 1


def test_killed_at_any_time(rig, partner, capsys):
    """Each event is told once, and once more for each try that was ended."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    plan = KILLS[:]
    dice.shuffle(plan)
    prog = rig.listener()
    prog.orders("sleep 0.2")
    rig.up(rig.objects(partner, {
        "h": ["on: [received, delivered]", "tries: 100", prog.hook()]}))
    killed = collections.Counter()

    def killer():
        for kind in plan:
            time.sleep(dice.uniform(0, 0.3))    # at any time is what it is
            killed[kind] += wait_for(kind, lambda k=kind: kill(rig, k))

    thread = threading.Thread(target=killer)
    thread.start()
    n = 0
    while thread.is_alive():
        rig.upload(f"f{n}-{seed}")
        n += 1
    thread.join()
    rig.wait_runs("h", DONE=2 * n)
    counts = collections.Counter(prog.told())
    with capsys.disabled():
        print(f"\nseed {seed}: killed {dict(killed)}: {len(counts)} events, "
              f"{sum(counts.values())} times told")
    assert len(counts) == 2 * n and set(killed) == set(KILLS)
    # with hooks go its tries, of which it has up to four
    assert sum(counts.values()) - len(counts) <= \
        killed["hook"] + 4 * killed["hooks"]


def test_database_away(partner):
    with Postgres() as db, HookRig(catalog=db.uri) as rig:
        prog = rig.listener()
        start_one(rig, partner, prog)
        with db.away():
            release(prog)
            wait_for("trouble", lambda: rig.lines(r"hooks\[\d+\].*away"), rig)
            rig.upload("meanwhile")
        rig.wait_runs("h", DONE=2)
        assert sorted(collections.Counter(prog.told()).values()) == [1, 1]
        # and away while there is nothing to do
        with db.away():
            rig.upload("again")
        rig.wait_runs("h", DONE=3)
        assert len(prog.told()) == 3
