# Part of mftd; see LICENSE.
"""Partners whose servers hang take their share of a queue, and no more: another
one's file goes out meanwhile."""
import contextlib
import sqlite3

import rig as rigs
from rig import Rig, USER
from sshd import Sshd

PATIENCE_S = 120
HANG, WELL = ("alice", "bob"), "carol"      # partners, and accounts
ALL_PLACES = 16
MANY = 600      # of each: more than one partner may have in hand
ALONE = 4200000     # bytes: two of them do not go together
PLACES = 10     # two partners' least, of 16: 8 and 4, or 5 and 5
CLAIMS = 1024
_ACCOUNT = """  - name: {name}
    volume: main
    root: {name}
    keys: ["{key}"]
"""
_ROUTE = """  - name: to-{name}
    account: {name}
    partner: {name}
    directory: in
    settle_s: 0
"""


def objects(rig, partners):
    """Each partner has an account that uploads for it."""
    return ("accounts:\n" + "".join(_ACCOUNT.format(name=name, key=rig.alice)
                                    for name in partners)
            + "partners:\n" + "".join(
                sshd.objects(name=name)
                + "    connections: 8\n    request_s: 600\n"
                for name, sshd in partners.items())
            + "routes:\n" + "".join(_ROUTE.format(name=name)
                                    for name in partners))


def wait_for(rig, what, look):
    return rigs.wait_for(what, look, PATIENCE_S, rig.log_tail)


def in_hand(rig):
    """How many deliveries are under way."""
    with contextlib.closing(sqlite3.connect(
            f"file:{rig.state}/catalog.db?mode=ro", uri=True,
            timeout=PATIENCE_S)) as db:
        return db.execute("SELECT count(*) FROM delivery WHERE state "
                          "IN ('CLAIMED', 'SENDING')").fetchone()[0]


def upload(rig, account, n, size=7, name=""):
    path = rig.top / "file"
    path.write_bytes(bytes(size))
    done = rig.sftp("".join(f"put {path} {name}{i}\n" for i in range(n)),
                    user=account)
    assert done.returncode == 0, done.stderr


def outbound(rig, action):
    answer = rig.control(cmd="service", service="outbound", action=action,
                         deadline_ms=20000)
    assert answer["ok"], answer


def test_two_hang_and_a_third_is_served():
    with contextlib.ExitStack() as stack:
        partners = {name: stack.enter_context(Sshd(USER))
                    for name in (*HANG, WELL)}
        rig = stack.enter_context(Rig())
        rig.up(objects(rig, partners))
        outbound(rig, "demote")
        for name in HANG:
            # in its first WRITE
            partners[name].fault("-e", "inject=lseek:delay_enter=3600s")
            upload(rig, name, 10, ALONE, "alone")
            upload(rig, name, MANY)
        outbound(rig, "promote")
        # half of what the other leaves: places for delivers, and claims, of
        # which each then has as many as are left
        wait_for(rig, "they hang", lambda: sum(
            len(partners[name].servers()) for name in HANG) >= PLACES)
        wait_for(rig, "they have in hand what they may",
                 lambda: in_hand(rig) >= CLAIMS * 2 / 3)
        upload(rig, WELL, 3)
        wait_for(rig, "the third one's files", lambda: partners[
            WELL].names() == ["0", "1", "2"])
        # and the two hang still
        assert not any(partners[name].renames() for name in HANG)


def hang(sshd):
    """In its first WRITE."""
    sshd.fault("-e", "inject=lseek:delay_enter=3600s")


def test_they_have_all_places_and_another_is_served():
    """For as long as it takes to see that they hang; they keep what they
    have."""
    many = ["alice", *(f"p{i}" for i in range(1, ALL_PLACES))]
    with contextlib.ExitStack() as stack:
        dead, well = (stack.enter_context(Sshd(USER)) for _ in range(2))
        rig = stack.enter_context(Rig())
        rig.up(objects(rig, {**dict.fromkeys(many, dead), WELL: well}))
        outbound(rig, "demote")
        hang(dead)
        for name in many:
            upload(rig, name, 2, ALONE, f"{name}-")
        outbound(rig, "promote")
        wait_for(rig, "they have all places",
                 lambda: len(dead.servers()) == ALL_PLACES)
        upload(rig, WELL, 20, ALONE)
        wait_for(rig, "its files", lambda: len(well.names()) == 20)
        # some may have got a second one before they were seen to hang
        assert len(dead.servers()) >= ALL_PLACES and not dead.renames()
        assert len(rig.lines("does not answer")) == ALL_PLACES
        dead.fault()
        dead.cut()
        wait_for(rig, "their files", lambda: len(
            dead.names()) == 2 * ALL_PLACES)
        wait_for(rig, "the word of it", lambda: len(
            rig.lines("answers again")) == ALL_PLACES)


def test_one_place_until_it_answers():
    """Who has hung gets no more when it is tried again."""
    with contextlib.ExitStack() as stack:
        dead, well = (stack.enter_context(Sshd(USER, level="VERBOSE"))
                      for _ in range(2))
        rig = stack.enter_context(Rig())
        rig.up(objects(rig, {"alice": dead, WELL: well}))
        hang(dead)
        upload(rig, "alice", 20, ALONE)
        wait_for(rig, "many places", lambda: len(dead.servers()) > 4)
        wait_for(rig, "the word of it",
                 lambda: rig.lines("partner alice does not answer"))
        for n in range(2):
            calls = dead.calls()
            dead.cut()
            wait_for(rig, "it is tried again",
                     lambda before=calls: dead.calls() > before)
            # what could be started with it would be by then
            upload(rig, WELL, 1, ALONE, f"{n}-")
            wait_for(rig, "another's file", lambda n=n: len(
                well.names()) == n + 1)
            wait_for(rig, "it hangs again", dead.servers)
            assert len(dead.servers()) == 1 and dead.calls() == calls + 1
        dead.fault()
        dead.cut()
        wait_for(rig, "its files", lambda: len(dead.names()) == 20)
        assert rig.lines("partner alice answers again")


def test_slow_is_not_hung():
    """Its answers come all the time, and its file takes long."""
    with Sshd(USER) as slow, Rig() as rig:
        rig.up(objects(rig, {"alice": slow}))
        slow.fault("-e", "inject=lseek:delay_enter=200ms")
        upload(rig, "alice", 1, 5 * ALONE)
        wait_for(rig, "its file", lambda: slow.names() == ["0"])
        assert not rig.lines("does not answer")
