# Part of mftd; see LICENSE.
"""What fails: tries and their bound, and partners that are stopped and go on,
with OpenSSH's server."""
import contextlib
import json
import os
import sqlite3
import time

import pytest

from databases import Postgres
from rig import Rig, USER, wait_for
from sshd import Sshd

PATIENCE_S = 60
_ROUTE = """  - name: {account}-to-{partner}
    account: {account}
    partner: {partner}
    directory: {directory}
    settle_s: 0
    retry: {{tries: 2, hours: 1}}
"""
# each account's uploads go to one partner's directory
ACCOUNTS = {"alice": ("acme", "in"), "bob": ("beta", "in"),
            "carol": ("acme", "missing")}


class World:
    """mftd with two partners."""

    def __init__(self, rig, acme, beta):
        self.rig, self.acme, self.beta = rig, acme, beta

    def objects(self, **acme):
        accounts = "".join(
            f"  - name: {name}\n    volume: main\n    root: {name}\n"
            f"    keys: [\"{self.rig.alice}\"]\n" for name in ACCOUNTS)
        return ("accounts:\n" + accounts + "partners:\n"
                + self.acme.objects(**acme) + self.beta.objects(name="beta")
                + "routes:\n" + "".join(
                    _ROUTE.format(account=a, partner=p, directory=d)
                    for a, (p, d) in ACCOUNTS.items()))

    def up(self, **acme):
        self.rig.up(self.objects(**acme))

    def apply(self, **acme):
        self.rig.mftctl("apply", self.rig.accounts(self.objects(**acme)))

    def json(self, *args):
        return [json.loads(line) for line in
                self.rig.mftctl("-j", *args).stdout.splitlines()]

    def upload(self, name, account="alice", content=b"content"):
        """Its delivery's id, once there is one."""
        (self.rig.top / "file").write_bytes(content)
        done = self.rig.sftp(f"put {self.rig.top}/file {name}\n", user=account)
        assert done.returncode == 0, done.stderr
        return self.wait_for(f"delivery of {name}", lambda: [
            d["id"] for d in self.json("delivery", "list")
            if d["name"] == name])[0]

    def show(self, id_):
        return self.json("delivery", "show", id_)[0]

    def partner(self, name="acme"):
        return self.json("partner", "show", name)[0]

    def wait_for(self, what, look):
        return wait_for(what, look, PATIENCE_S, self.rig.log_tail)

    def wait_state(self, id_, state):
        def look():
            story = self.show(id_)
            return story if story["state"] == state else None
        return self.wait_for(f"{id_} {state}", look)

    def wait_partner(self, state, name="acme"):
        def look():
            row = self.partner(name)
            return row if row["state"] == state else None
        return self.wait_for(f"{name} {state}", look)

    def execute(self, sql, *values):
        with contextlib.closing(sqlite3.connect(
                self.rig.state / "catalog.db", timeout=PATIENCE_S)) as db, db:
            db.execute(sql, values)

    def postpone(self):
        """No probe of its own accord for the length of the test."""
        self.execute("UPDATE partner_state SET probe_us = ?",
                     int((time.time() + 3600) * 1000000))

    def alerts(self):
        return self.rig.log.read_text().count("partner acme is stopped")

    def source(self, id_):
        return self.rig.volume / ".mft/out" / self.show(id_)["receipt"]


@contextlib.contextmanager
def new_world(catalog=None):
    with Sshd(USER, "VERBOSE") as acme, Sshd(USER) as beta, \
            Rig(catalog=catalog) as rig:
        yield World(rig, acme, beta)


@pytest.fixture(name="world")
def _world():
    with new_world() as world:
        yield world


def sent_once(world, *ids, tries=1):
    """All arrive, with so many tries, each the only one that is told."""
    for id_ in ids:
        story = world.wait_state(id_, "DONE")
        assert story["tries"] == tries and "stopped" not in story
        assert [t["n"] for t in story["tried"]] == [*range(1, tries + 1)]
        assert story["tried"][-1]["outcome"] == "DELIVERED"
        assert story["tried"][-1]["bytes"] == story["size"]
        assert story["tried"][-1]["begin"] < story["tried"][-1]["end"]
        assert world.acme.renames().count(f"in/{story['name']}") == 1


# ---- the partner

def test_login_refused(world):
    """The partner is stopped: its deliveries wait and keep their tries, the
    other partner's go on; until somebody says that it is mended."""
    world.acme.authorize(False)
    world.up()
    first = world.upload("first")
    row = world.wait_partner("open")
    assert row["fault"] == "refused" and "login refused" in row["reason"]
    calls = world.acme.calls()
    more = [world.upload(f"more{i}") for i in range(3)]
    world.wait_state(world.upload("other", "bob"), "DONE")
    assert world.partner("beta")["state"] == "closed"
    for id_ in (first, *more):
        story = world.wait_state(id_, "WAITING" if id_ == first else "QUEUED")
        assert story["tries"] == 0 and story["tried"] == []
        assert world.source(id_).exists()
        assert "login refused" in story["stopped"]
    assert "login refused" in world.show(first)["error"]
    assert world.acme.calls() == calls and world.alerts() == 1
    text = world.rig.mftctl("partner", "list").stdout.splitlines()
    assert [line.split()[:2] for line in text] == [["acme", "open"],
                                                   ["beta", "closed"]]
    world.acme.authorize(True)
    done = world.rig.mftctl("partner", "resume", "acme")
    assert "resumed by" in done.stdout
    sent_once(world, first, *more)
    assert "resumed by" in world.partner()["reason"]
    done = world.rig.mftctl("partner", "resume", "acme")
    assert "was not stopped" in done.stdout


def test_resumed_too_early(world):
    """It is stopped again at the first call, and that is told again."""
    world.acme.authorize(False)
    world.up()
    id_ = world.upload("early")
    world.wait_partner("open")
    world.rig.mftctl("partner", "resume", "acme")
    world.wait_for("a second alert", lambda: world.alerts() == 2)
    assert world.wait_partner("open")["fault"] == "refused"
    assert world.show(id_)["tries"] == 0


def test_wrong_key(world):
    """Mended by a new configuration: then it is probed at once."""
    world.up(key=world.beta.key)
    id_ = world.upload("wrong-key")
    assert "login refused" in world.wait_partner("open")["reason"]
    world.postpone()
    world.apply()
    world.wait_partner("closed")
    sent_once(world, id_)
    assert world.alerts() == 1


def test_changed_host_key(world):
    """Nothing goes to a server with another key, whatever waits."""
    world.up()
    before = world.upload("before")
    sent_once(world, before)
    world.acme.stop()
    world.acme.change_host_key()
    world.acme.start()
    id_ = world.upload("after")
    row = world.wait_partner("open")
    assert row["fault"] == "refused" and "host key" in row["reason"]
    assert world.source(id_).exists() and world.alerts() == 1
    assert world.acme.names() == ["before"]
    world.postpone()
    world.apply()
    sent_once(world, id_)


def test_away_and_back(world):
    """Nobody has to do anything."""
    world.acme.stop()
    world.up()
    ids = [world.upload(f"away{i}") for i in range(4)]
    row = world.wait_partner("open")
    assert row["fault"] == "away"
    world.wait_for("probes in vain", lambda: world.partner()["probes"] >= 1)
    world.wait_state(world.upload("other", "bob"), "DONE")
    assert all(world.show(id_)["tries"] == 0 for id_ in ids)
    world.acme.start()
    sent_once(world, *ids)
    assert world.wait_partner("closed")["partner"] == "acme"
    assert world.alerts() == 1
    assert "partner acme goes on" in world.rig.log.read_text()


def test_away_then_refused(world):
    """Somebody is told of the second, too."""
    world.acme.stop()
    world.up()
    id_ = world.upload("moved")
    world.wait_partner("open")
    world.acme.authorize(False)
    world.acme.start()
    world.wait_for("refused", lambda: world.partner().get("fault") == "refused")
    assert world.alerts() == 2 and world.show(id_)["tries"] == 0


@pytest.mark.parametrize("how", ["daemon", "outbound"])
def test_restart_while_it_is_stopped(world, how):
    """The next owner knows, and does not call before its time."""
    world.acme.authorize(False)
    world.up()
    id_ = world.upload("stopped")
    row = world.wait_partner("open")
    calls = world.acme.calls()
    if how == "daemon":
        world.rig.stop()
        world.rig.start()
    else:
        world.rig.kill("outbound")
    world.wait_state(world.upload("other", "bob"), "DONE")
    assert world.acme.calls() == calls and world.alerts() == 1
    assert {k: world.partner()[k] for k in row if k != "state"} == {
        k: v for k, v in row.items() if k != "state"}
    world.acme.authorize(True)
    world.rig.mftctl("partner", "resume", "acme")
    sent_once(world, id_)


def test_restart_on_postgresql():
    with Postgres() as database, new_world(database.uri) as world:
        test_restart_while_it_is_stopped(world, "outbound")


def _taken_away(world, begin):
    """A delivery whose target the configuration does not have any more, when it
    has not begun, or was held while it was claimed."""
    to_carol = """  - name: bob-to-carol
    account: bob
    to_account: carol
    settle_s: 0
"""
    whole = world.objects() + to_carol
    accounts, _, rest = whole.partition("  - name: carol\n")
    less = accounts + rest[rest.index("partners:\n"):]
    less = less.replace(world.acme.objects(), "")
    less = less.partition("routes:\n")[0] + "routes:\n" + _ROUTE.format(
        account="bob", partner="beta", directory="in")
    world.rig.up(whole)
    world.rig.mftctl("apply", world.rig.accounts(whole))
    with world.rig.stopped("outbound"):
        ids = [world.upload("for-acme"), world.upload("for-carol", "bob")]
        if begin:
            world.execute("UPDATE delivery SET state = 'SENDING'")
        world.rig.mftctl("apply", world.rig.accounts(less))
        # bob's to beta is of no interest
        ids[1:] = [d["id"] for d in world.json("delivery", "list")
                   if d.get("to_account") == "carol"]
        world.rig.kill("outbound")
    for who in "acme", "@carol":
        world.wait_for(f"{who} is missed", lambda who=who:
                       f"deliveries to {who} wait" in
                       world.rig.log.read_text())
    for id_, who in zip(ids, ("partner acme", "account carol")):
        story = world.wait_for("a delivery that waits", lambda id_=id_: (
            s := world.show(id_))["state"] in ("QUEUED", "WAITING") and s)
        assert story["stopped"] == f"{who} is not in the configuration"
        assert story["tries"] == 0 and not story["tried"], story
        shown = world.rig.mftctl("delivery", "show", id_).stdout
        assert f"{who} is not in the configuration" in shown
    world.rig.mftctl("apply", world.rig.accounts(whole))
    sent_once(world, ids[0])
    story = world.wait_state(ids[1], "DONE")
    assert story["tries"] == 1 and "stopped" not in story
    assert (world.rig.volume / "carol/for-carol").read_bytes() == b"content"


@pytest.mark.parametrize("begin", [False, True], ids=["queued", "sending"])
def test_taken_away(world, begin):
    """It waits, without a try, and goes with the configuration that has it."""
    _taken_away(world, begin)


def test_taken_away_on_postgresql():
    with Postgres() as database, new_world(database.uri) as world:
        _taken_away(world, False)


def test_volume_away(world):
    """What is to be sent waits for it, without a try, and goes when it is back,
    all of it."""
    world.up()
    out, away = world.rig.volume / ".mft/out", world.rig.volume / ".mft/away"
    with world.rig.stopped("outbound"):
        ids = [world.upload(f"far{n}") for n in range(3)]
        os.rename(out, away)
    for id_ in ids:
        story = world.wait_state(id_, "WAITING")
        assert story["error"] == "its volume is not on this node"
    world.wait_for("the probe", lambda: world.rig.log.read_text().count(
        "its volume is not on this node") > len(ids))
    assert all(world.show(id_)["tries"] == 0 for id_ in ids)
    os.rename(away, out)
    sent_once(world, *ids)
    assert all(world.show(id_)["tries"] == 1 for id_ in ids)


def test_probe_that_is_due_after_a_restart(world):
    """Also one that an owner began and did not end."""
    world.acme.authorize(False)
    world.up()
    id_ = world.upload("probed")
    world.wait_partner("open")
    world.rig.stop()
    world.acme.authorize(True)
    world.postpone()
    world.execute("UPDATE partner_state SET state = 'half-open'")
    world.rig.start()
    sent_once(world, id_)
    assert world.wait_partner("closed")["partner"] == "acme"


def test_locked_and_unlocked(world):
    """A delivery that is wanted again asks for a probe: what the lock stopped
    goes out, and its tries were not spent."""
    world.up()
    world.wait_state(world.upload("unlocked"), "DONE")
    world.acme.authorize(False)
    ids = [world.upload(f"locked{i}") for i in range(2)]
    world.wait_partner("open")
    world.postpone()
    first = next(i for i in ids if world.show(i)["state"] == "WAITING")
    world.acme.authorize(True)
    world.rig.mftctl("delivery", "retry", first)
    sent_once(world, *ids)
    assert world.partner()["state"] == "closed"


def test_one_host_is_away(world):
    """What may have arrived there waits for that host; all else goes to the
    next one, and the partner is not stopped for it."""
    acme, beta = world.acme, world.beta
    (beta.top / "authorized").write_text(f"{acme.public}\n{beta.public}\n")
    world.up(other_hosts=[f"127.0.0.1:{beta.port}"],
             host_keys=[acme.host_key, beta.host_key])
    acme.fault("-e", "inject=?link,?linkat:delay_enter=30s")
    id_ = world.upload("left")
    world.wait_state(id_, "PUBLISHING")
    acme.fault()
    acme.stop()
    looks = f"delivery {id_}"
    world.wait_for("looks in vain", lambda: sum(
        looks in line and "PUBLISHING -> PUBLISHING: " in line
        for line in world.rig.log.read_text().splitlines()) >= 4)
    world.wait_state(world.upload("next"), "DONE")
    assert beta.names() == ["next"]
    assert world.partner()["state"] == "closed" and world.alerts() == 0
    assert world.show(id_)["state"] == "PUBLISHING"
    acme.start()
    assert world.wait_state(id_, "DONE")["tries"] == 1
    assert acme.names() == ["left"] and beta.names() == ["next"]


def cut_at_publishing(world, name):
    """A delivery whose host is gone amid its rename."""
    world.acme.fault("-e", "inject=?link,?linkat:delay_enter=30s")
    id_ = world.upload(name)
    world.wait_state(id_, "PUBLISHING")
    world.acme.fault()
    world.acme.stop()
    return id_


def in_doubt(world, id_, words):
    story = world.wait_state(id_, "IN_DOUBT")
    assert story["error"].startswith(
        f"it may have arrived at 127.0.0.1:{world.acme.port}")
    assert words in story["error"], story
    assert story["tries"] == 1, story
    assert story["tried"][0]["outcome"] == "DOUBT", story
    assert story["tried"][0]["host"] == f"127.0.0.1:{world.acme.port}"


def test_host_taken_out_for_good(world):
    """What may have arrived there is in doubt, not before, and its person has
    it sent to the next one."""
    acme, beta = world.acme, world.beta
    (beta.top / "authorized").write_text(f"{acme.public}\n{beta.public}\n")
    world.up(host_keys=[acme.host_key, beta.host_key],
             other_hosts=[f"127.0.0.1:{beta.port}"])
    id_ = cut_at_publishing(world, "left")
    refused = world.rig.mftctl("delivery", "resolve", id_, "resend",
                               check=False)
    assert "retry hours" in refused.stderr
    world.apply(host="localhost", port=beta.port, host_keys=[beta.host_key])
    in_doubt(world, id_, "which is not in the configuration any more")
    assert not beta.names()
    world.rig.mftctl("delivery", "resolve", id_, "resend")
    assert world.wait_state(id_, "DONE")["tries"] == 2
    assert beta.names() == ["left"]


def test_trigger_at_a_host_that_is_gone(world):
    """The file arrived, of its trigger nobody knows: that failed, and to try it
    again sends both."""
    acme, beta = world.acme, world.beta
    (beta.top / "authorized").write_text(f"{acme.public}\n{beta.public}\n")

    def apply(**more):
        name = "  - name: alice-to-acme\n"
        text = world.objects(**more).replace(name, name + "    trigger: .ok\n")
        world.rig.mftctl("apply", world.rig.accounts(text))

    world.up()
    apply()
    acme.fault("-e", "inject=?rename,?renameat,?renameat2:delay_enter=30s")
    id_ = world.upload("left")
    world.wait_state(id_, "DELIVERED")
    acme.fault()
    acme.stop()
    apply(port=beta.port, host_keys=[beta.host_key])
    story = world.wait_state(id_, "FAILED")
    assert story["error"].startswith(
        "it arrived, but perhaps not its trigger file, at "
        f"127.0.0.1:{acme.port}, which is not in the configuration any more")
    assert [t["outcome"] for t in story["tried"]] == ["DELIVERED"]
    world.rig.mftctl("delivery", "retry", id_)
    assert world.wait_state(id_, "DONE")["tries"] == 2
    assert beta.names() == ["left", "left.ok"]


def test_partner_taken_out_for_good(world):
    world.up()
    id_ = cut_at_publishing(world, "left")
    whole = world.objects()
    less = whole.replace(world.acme.objects(), "").partition("routes:\n")[0]
    world.rig.mftctl("apply", world.rig.accounts(less))
    in_doubt(world, id_, "its partner is not in the configuration")
    world.rig.mftctl("delivery", "resolve", id_, "delivered")
    world.wait_state(id_, "DONE")


@pytest.mark.parametrize("back", [False, True], ids=["away", "back"])
def test_hours_of_what_may_have_arrived(world, back):
    """They pass while nothing runs, and its host is looked at once more before
    they count."""
    world.up()
    id_ = cut_at_publishing(world, "left")
    world.rig.stop()
    world.execute("UPDATE delivery SET first_us = first_us - 3600000000")
    if back:
        world.acme.start()
    world.rig.start()
    if back:
        assert world.wait_state(id_, "DONE")["tries"] == 1
        assert world.acme.names() == ["left"]
    else:
        in_doubt(world, id_, "could not be looked at within 1 hour: ")


# ---- one file

def test_no_such_folder(world):
    """It fails for itself, after its tries, and says so; the same partner's
    other routes go on.  A person begins it anew."""
    world.up()
    id_ = world.upload("bound", "carol")
    story = world.wait_state(id_, "FAILED")
    assert story["error"].startswith("given up after 2 tries: ")
    assert "No such file" in story["error"] and story["tries"] == 2
    assert [(t["n"], t["outcome"]) for t in story["tried"]] == [
        (1, "RETRY"), (2, "FAIL")]
    for t in story["tried"]:
        assert t["host"] == f"127.0.0.1:{world.acme.port}"
        assert t["begin"] < t["end"] and t["bytes"] == 0
        assert "No such file" in t["error"]
    assert world.partner()["state"] == "closed"
    sent_once(world, world.upload("beside"))
    text = world.rig.mftctl("delivery", "show", id_).stdout
    assert f"try        1: {story['tried'][0]['begin']}" in text
    world.rig.mftctl("delivery", "retry", id_)
    world.wait_for("a fourth try", lambda: world.show(id_)["tries"] == 4)
    assert world.wait_state(id_, "FAILED")["error"].startswith(
        "given up after 2 tries: ")
    (world.acme.home / "missing").mkdir()
    world.rig.mftctl("delivery", "retry", id_)
    story = world.wait_state(id_, "DONE")
    assert [t["outcome"] for t in story["tried"]] == [
        "RETRY", "FAIL", "RETRY", "FAIL", "DELIVERED"]
    assert "error" not in story and world.alerts() == 0


def test_without_permission(world):
    """It is let in, but may not write: no matter of the partner as a whole."""
    (world.acme.home / "missing").mkdir()
    world.acme.options("-R")
    world.up()
    id_ = world.upload("forbidden", "carol")
    story = world.wait_state(id_, "FAILED")
    assert "ermission denied" in story["error"]
    assert world.partner()["state"] == "closed" and world.alerts() == 0
    world.acme.options()
    sent_once(world, world.upload("allowed"))


# ---- a try that nobody ends

def test_killed_amid_a_try(world):
    world.up()
    world.acme.fault("-e", "inject=utimensat:delay_enter=20s")
    id_ = world.upload("killed")
    story = world.wait_state(id_, "SENDING")
    assert story["tried"][0]["outcome"] == "under way"
    assert "end" not in story["tried"][0]
    world.acme.fault()
    world.rig.kill("outbound")
    world.acme.cut()
    story = world.wait_state(id_, "DONE")
    assert [t["outcome"] for t in story["tried"]] == ["never ended",
                                                      "DELIVERED"]


def test_held_amid_a_try(world):
    """A person has ended it."""
    world.up()
    world.acme.fault("-e", "inject=utimensat:delay_enter=5s")
    id_ = world.upload("held")
    world.wait_state(id_, "SENDING")
    world.rig.mftctl("delivery", "hold", id_)
    story = world.show(id_)
    assert story["tried"][0]["outcome"] == "hold" and story["tried"][0]["end"]
