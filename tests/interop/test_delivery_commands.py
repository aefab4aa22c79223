# Part of mftd; see LICENSE.
"""`mftctl delivery`: a person looks at deliveries and steers them, while the
daemon delivers to a real sshd."""
import collections
import contextlib
import datetime
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import subprocess
import time

import pytest
from databases import Postgres
import rig as rigs
from rig import Rig, USER
from sshd import Sshd

PATIENCE_S = 60
RACE_FILES = 24
RACE_STATES = {"CLAIMED", "SENDING"}
RACE_S = 240      # until each was caught
ENDS = ("DONE", "CANCELLED", "FAILED", "IN_DOUBT")
_ACCOUNT = """  - name: {name}
    volume: main
    root: {name}
    keys: ["{key}"]
"""
_ROUTE = """  - name: from-{account}
    account: {account}
    partner: acme
    directory: {directory}
    settle_s: {settle_s}
"""
# alice's go at once, bob's after a while, carol's in an hour; dora's to where
# nothing is, and emil's with a suffix
ACCOUNTS = {"alice": ("in", 0), "bob": ("in", 2), "carol": ("in", 3600),
            "dora": ("missing", 0), "emil": ("suffixed", 0)}


def objects(rig, partner):
    return ("accounts:\n"
            + "".join(_ACCOUNT.format(name=name, key=rig.alice)
                      for name in ACCOUNTS)
            + "partners:\n" + partner.objects() + "routes:\n"
            + "".join(_ROUTE.format(account=name, directory=where,
                                    settle_s=settle)
                      for name, (where, settle) in ACCOUNTS.items())
            + "    temp_suffix: .part\n")


@pytest.fixture(scope="module", name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


@pytest.fixture(scope="module", name="rig")
def _rig(partner):
    with Rig() as rig:
        yield rig.up(objects(rig, partner))


@pytest.fixture(autouse=True)
def _well_behaved(partner):
    yield
    partner.fault()
    partner.options()
    partner.authorize(True)


# ---- what mftctl says

def deliveries(rig, *args):
    done = rig.mftctl("-j", "delivery", "list", *args)
    return [json.loads(line) for line in done.stdout.splitlines()]


def show(rig, id_):
    return json.loads(rig.mftctl("-j", "delivery", "show", id_).stdout)


def wish(rig, *args):
    """A wish that has to be granted; {id: (from, to)}."""
    done = rig.mftctl("-j", "delivery", *args)
    lines = map(json.loads, done.stdout.splitlines())
    return {line["id"]: (line["from"], line["to"]) for line in lines}


def wait_for(what, look, seconds=PATIENCE_S):
    return rigs.wait_for(what, look, seconds)


def wait_state(rig, id_, state, seconds=PATIENCE_S):
    """The delivery once it is in that state."""
    def look():
        story = show(rig, id_)
        return story if story["state"] == state else None
    return rigs.wait_for(f"{id_} {state}", look, seconds, lambda: "".join(
        [f"{show(rig, id_)}\n", *rig.lines(f".*{id_}.*\n")]))


def upload(rig, name, content=b"content", account="alice"):
    """Its delivery's id, once there is one."""
    (rig.top / "file").write_bytes(content)
    done = rig.sftp(f"put {rig.top}/file {name}\n", user=account)
    assert done.returncode == 0, done.stderr
    return wait_for(f"delivery of {name}", lambda: [
        d["id"] for d in deliveries(rig) if d["name"] == name])[0]


def refused(rig, *args, words=(), code=1):
    done = rig.mftctl("delivery", *args, check=False)
    assert done.returncode == code, done
    for word in words:
        assert word in done.stderr, done
    return done


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def is_past(text):
    return when(text) < datetime.datetime.now(datetime.timezone.utc)


def log_of(story):
    return [(w["what"], w["from"], w["to"]) for w in story["wishes"]]


# ---- names

ODD = {b"\xff\xe9": ("\\xff\\xe9", "ffe9"),
       b"\xc3\xbf\xc3\xa9": ("\u00ff\u00e9", None),
       b"a\xe2\x80\xaetxt.exe": ("a\u202etxt.exe", None),
       b"b\x1b[2J\xc2\x9b\x7f": ("b\x1b[2J\x9b\x7f", None)}


def test_names_of_any_bytes(rig, partner):
    """Each is known for what it is, and none reaches a terminal or a log."""
    (rig.top / "file").write_bytes(b"content")
    batch = b"".join(b"put %s \"%s\"\n" % (os.fsencode(rig.top / "file"), name)
                     for name in ODD)
    done = subprocess.run(
        ["sftp", *rig.ssh_options(), "-b", "-", "-P", str(rig.port),
         "alice@127.0.0.1"], check=False, capture_output=True, input=batch)
    assert done.returncode == 0, done.stderr

    def all_done():
        found = [d for d in deliveries(rig) if d["state"] == "DONE"]
        return {(d["name"], d.get("name_hex")) for d in found} >= \
            set(ODD.values()) and found
    ids = [d["id"] for d in wait_for("all delivered", all_done)]
    for name in ODD:
        path = os.path.join(os.fsencode(partner.home / "in"), name)
        with open(path, "rb") as f:
            assert f.read() == b"content"
    told = [rig.mftctl(*args).stdout for args in (
        ("delivery", "list"), ("-j", "delivery", "list"),
        ("delivery", "show", *ids), ("-j", "delivery", "show", *ids))]
    for text in (*told, rig.log.read_bytes().decode()):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    for text in told[0], told[2]:
        assert all(shown in text for shown in (
            "\\xff\\xe9", "\u00ff\u00e9", "a\\u202etxt.exe",
            "b\\u001b[2J\\u009b\\u007f"))


# ---- hold, release, cancel

def test_hold_before_it_begins(rig, partner):
    """What is held stays, though it is due and others go out."""
    id_ = upload(rig, "held", account="bob")
    assert wish(rig, "hold", id_) == {id_: ("QUEUED", "HELD")}
    wait_for("due", lambda: is_past(show(rig, id_)["due"]))
    wait_state(rig, upload(rig, "other"), "DONE")
    story = show(rig, id_)
    assert story["state"] == "HELD" and story["tries"] == 0
    assert "held" not in partner.names()
    assert wish(rig, "release", id_) == {id_: ("HELD", "QUEUED")}
    story = wait_state(rig, id_, "DONE")
    assert story["tries"] == 1 and "error" not in story
    assert (partner.home / "in/held").read_bytes() == b"content"
    assert log_of(story) == [("hold", "QUEUED", "HELD"),
                             ("release", "HELD", "QUEUED")]
    assert all(w["who"] == f"{USER}@solo" for w in story["wishes"])


def test_release_does_not_cut_the_settling_short(rig):
    id_ = upload(rig, "young", account="carol")
    due = show(rig, id_)["due"]
    assert not is_past(due)
    wish(rig, "hold", id_)
    wish(rig, "release", id_)
    assert show(rig, id_)["due"] == due


def test_cancel_lets_the_source_go(rig, partner):
    id_ = upload(rig, "cancelled", account="carol")
    receipt = show(rig, id_)["receipt"]
    link = rig.volume / ".mft/out" / receipt
    assert link.exists()
    assert wish(rig, "cancel", id_) == {id_: ("QUEUED", "CANCELLED")}
    wait_for("the link's end", lambda: not link.exists())
    assert (rig.volume / "carol/cancelled").exists()
    refused(rig, "release", id_, words=["is CANCELLED"])
    assert "cancelled" not in partner.names()


def test_held_can_be_cancelled(rig):
    id_ = upload(rig, "first-held", account="carol")
    wish(rig, "hold", id_)
    assert wish(rig, "cancel", id_) == {id_: ("HELD", "CANCELLED")}


# ---- retry

def test_retry_of_one_that_waits(rig, partner):
    """The partner refuses the login: it would be long until it is called
    again.  That was no try."""
    partner.authorize(False)
    id_ = upload(rig, "waits")
    story = wait_state(rig, id_, "WAITING")
    assert "login refused" in story["error"]
    partner.authorize(True)
    assert wish(rig, "retry", id_) == {id_: ("WAITING", "QUEUED")}
    story = wait_state(rig, id_, "DONE")
    assert story["tries"] == 1
    assert (partner.home / "in/waits").read_bytes() == b"content"


def test_retry_when_the_directory_is_there(rig, partner):
    id_ = upload(rig, "nowhere", account="dora")
    story = wait_state(rig, id_, "WAITING")
    assert "No such file" in story["error"]
    (partner.home / "missing").mkdir()
    rig.mftctl("delivery", "retry", id_, check=False)   # or it just began
    wait_state(rig, id_, "DONE")
    assert partner.names("missing") == ["nowhere"]


def test_retry_of_one_that_failed(rig, partner):
    (partner.home / "in/exists").write_bytes(b"theirs")
    id_ = upload(rig, "exists")
    story = wait_state(rig, id_, "FAILED")
    assert "exists at the partner" in story["error"]
    wish(rig, "retry", id_)
    wait_for("a second try", lambda: show(rig, id_)["tries"] == 2)
    wait_state(rig, id_, "FAILED")
    assert (partner.home / "in/exists").read_bytes() == b"theirs"
    (partner.home / "in/exists").unlink()
    assert wish(rig, "retry", id_) == {id_: ("FAILED", "QUEUED")}
    assert wait_state(rig, id_, "DONE")["tries"] == 3
    assert (partner.home / "in/exists").read_bytes() == b"content"
    assert log_of(show(rig, id_)) == [("retry", "FAILED", "QUEUED")] * 2


def test_failed_can_be_cancelled(rig, partner):
    (partner.home / "in/given-up").write_bytes(b"theirs")
    id_ = upload(rig, "given-up")
    receipt = wait_state(rig, id_, "FAILED")["receipt"]
    assert wish(rig, "cancel", id_) == {id_: ("FAILED", "CANCELLED")}
    wait_for("the link's end", lambda: not (
        rig.volume / ".mft/out" / receipt).exists())


# ---- resolve

def make_doubt(rig, partner, name, when="enter"):
    """The outbound process and its deliver are killed while the partner's
    server is at the rename, and so is that one; then neither name is there:
    what was renamed is in partner.home."""
    partner.fault("-e", f"inject=?link,?linkat:delay_{when}=30s")
    id_ = upload(rig, name)
    wait_state(rig, id_, "PUBLISHING")
    if when == "exit":
        wait_for("the rename", lambda: name in partner.names())
    refused(rig, "hold", id_, words=["is PUBLISHING"])
    refused(rig, "cancel", id_, words=["is PUBLISHING"])
    partner.fault()
    for left in partner.names():
        if left.startswith(".mft-"):
            (partner.home / "in" / left).unlink()
        elif left == name:
            (partner.home / "in" / left).rename(partner.home / left)
    rig.kill("outbound")
    partner.cut()
    story = wait_state(rig, id_, "IN_DOUBT")
    assert "mftctl delivery resolve" in story["error"]
    return id_


def test_resolve_delivered(rig, partner):
    id_ = make_doubt(rig, partner, "arrived")
    refused(rig, "retry", id_, words=["is IN_DOUBT"])
    assert wish(rig, "resolve", id_, "delivered") == {
        id_: ("IN_DOUBT", "DELIVERED")}
    story = wait_state(rig, id_, "DONE")
    assert story["tries"] == 1
    assert log_of(story) == [("resolve delivered", "IN_DOUBT", "DELIVERED")]
    wait_for("the link's end", lambda: not (
        rig.volume / ".mft/out" / story["receipt"]).exists())
    assert "arrived" not in partner.names()


def test_resolve_resend(rig, partner):
    id_ = make_doubt(rig, partner, "resent")
    first = show(rig, id_)["temporary"]
    assert wish(rig, "resolve", id_, "resend") == {id_: ("IN_DOUBT", "QUEUED")}
    story = wait_state(rig, id_, "DONE")
    assert story["tries"] == 2 and story["temporary"] != first
    assert (partner.home / "in/resent").read_bytes() == b"content"
    refused(rig, "resolve", id_, "resend", words=["is DONE"])


def test_resolve_resend_of_one_that_is_there(rig, partner):
    """It had arrived, and comes back: it is not there twice, and not sent over
    another's."""
    id_ = make_doubt(rig, partner, "arrived-after-all", "exit")
    (partner.home / "arrived-after-all").rename(
        partner.home / "in/arrived-after-all")
    wish(rig, "resolve", id_, "resend")
    assert wait_state(rig, id_, "DONE")["tries"] == 2
    assert partner.renames().count("in/arrived-after-all") == 1
    id_ = make_doubt(rig, partner, "taken", "exit")
    (partner.home / "in/taken").write_bytes(b"theirs")
    wish(rig, "resolve", id_, "resend")
    wait_state(rig, id_, "FAILED")
    assert (partner.home / "in/taken").read_bytes() == b"theirs"
    wait_for("its temporary file's end", lambda: not [
        n for n in partner.names() if n.startswith(".mft-")])


def test_resolve_resend_with_a_suffix(rig, partner):
    """What it has left there goes, though somebody read it."""
    (partner.home / "suffixed").mkdir()
    partner.fault("-e", "inject=?link,?linkat:delay_enter=30s")
    id_ = upload(rig, "again.csv", account="emil")
    wait_state(rig, id_, "PUBLISHING")
    partner.fault()
    left = partner.home / f"suffixed/again.csv.{id_}.1.part"
    os.utime(left, (time.time(), left.stat().st_mtime))
    rig.kill("outbound")
    partner.cut()
    wait_state(rig, id_, "IN_DOUBT", 4 * PATIENCE_S)
    assert partner.names("suffixed") == [left.name]
    wish(rig, "resolve", id_, "resend")
    assert wait_state(rig, id_, "DONE")["tries"] == 2
    assert partner.names("suffixed") == ["again.csv"]


# ---- list and show

def test_list_filters(rig):
    ids = {account: upload(rig, f"listed-{account}", account=account)
           for account in ("carol", "alice")}
    wait_state(rig, ids["alice"], "DONE")
    everything = deliveries(rig)
    at = [d["id"] for d in everything]
    assert at == sorted(at) and at.index(ids["carol"]) < at.index(ids["alice"])
    for args, has in ((["-a", "alice"], "alice"), (["-a", "carol"], "carol"),
                      (["-r", "from-carol"], "carol"),
                      (["-s", "done"], "alice"),
                      (["-s", "QUEUED,HELD"], "carol")):
        got = {d["id"] for d in deliveries(rig, *args)}
        assert got & set(ids.values()) == {ids[has]}, args
    assert deliveries(rig, "-p", "acme") == everything
    assert deliveries(rig, "-p", "ac") == []
    assert deliveries(rig, "-n", "1") == everything[-1:]
    assert deliveries(rig, "-t", "7d") == everything
    for later in "2100-01-01", "2112-09-18", "2999-01-01":
        assert deliveries(rig, "-t", later) == []
    assert deliveries(rig, "-t", "2024-02-29") == everything
    assert deliveries(rig, "-s", "done,DONE") == deliveries(rig, "-s", "DONE")
    assert deliveries(rig, "-t", "2026-01-01T00:00:00Z", "-n", "1",
                      "-a", "carol")[0]["id"] == ids["carol"]
    text = rig.mftctl("delivery", "list", "-n", "1").stdout
    assert text.startswith(ids["alice"]) and "listed-alice" in text


def test_show_has_the_receipt(rig):
    id_ = upload(rig, "sub-shown", b"0123456789")
    story = wait_state(rig, id_, "DONE")
    assert story["account"] == "alice" and story["path"] == "sub-shown"
    assert story["size"] == 10 and len(story["sha256"]) == 64
    assert story["host"].startswith("127.0.0.1:")
    assert story["queue"] == "default" and story["volume"] == "main"
    assert is_past(story["received"]) and story["session"]
    text = rig.mftctl("delivery", "show", id_).stdout
    for key in ("receipt", "session", "sha256", "path"):
        assert story[key] in text
    refused(rig, "show", "d-0", words=["no such delivery"])


def test_wishes_know_who_logged_in(rig):
    """Also when that user has become root since."""
    def log_in():
        pathlib.Path("/proc/self/loginuid").write_text(
            str(pwd.getpwnam(USER).pw_uid), encoding="ascii")
    id_ = upload(rig, "by-whom", account="carol")
    subprocess.run([rig.program("mftctl"), "-f", rig.conf, "delivery", "hold",
                    id_], preexec_fn=log_in, check=True,
                   stdout=subprocess.DEVNULL)
    assert show(rig, id_)["wishes"][0]["who"] == f"{USER} as root@solo"
    assert f"by {USER} as root@solo: hold, QUEUED -> HELD" in rig.mftctl(
        "delivery", "show", id_).stdout


# ---- wrong use

def test_wrong_use_changes_nothing(rig):
    id_ = wait_state(rig, upload(rig, "done"), "DONE")["id"]
    before = show(rig, id_)
    for args, code, word in (
            (["hold", id_], 1, "is DONE"), (["release", id_], 1, "is DONE"),
            (["retry", id_], 1, "is DONE"), (["cancel", id_], 1, "is DONE"),
            (["resolve", id_, "delivered"], 1, "is DONE"),
            (["resolve", id_, "resend"], 1, "is DONE"),
            (["resolve", id_, "perhaps"], 2, "delivered|resend"),
            (["resolve", id_], 2, "delivered|resend"),
            (["resolve", id_, id_, "resend"], 2, "delivered|resend"),
            (["hold"], 2, "hold"), (["show"], 2, "show"),
            (["frob", id_], 2, "only list"),
            (["hold", "d-1"], 1, "d-1: there is no such delivery"),
            (["hold", "'; DROP TABLE delivery; --"], 1, "no such delivery"),
            (["list", "-s", "LOST"], 2, "no such state"),
            (["list", "-s", "DONE,"], 2, "no such state"),
            (["list", "-s", ",DONE"], 2, "no such state"),
            (["list", "-s", "DONE,,HELD"], 2, "no such state"),
            (["list", "-s", ""], 2, "no such state"),
            (["list", "-t", "yesterday"], 2, "-t"),
            (["list", "-t", "2026-02-30"], 2, "-t"),
            (["list", "-t", "2026-11-31T12:00:00Z"], 2, "-t"),
            (["list", "-t", "2026-11-21T12:00:60Z"], 2, "-t"),
            (["list", "-n", "-3"], 2, "-n"), (["list", "all"], 2, "options")):
        refused(rig, *args, code=code, words=[word])
    assert show(rig, id_) == before


def test_nobody_is_asked(rig):
    """Without a database nothing is done, and it is not said that it may be."""
    conf = rig.conf.with_name("away.yaml")
    conf.write_text(re.sub("(?m)^catalog: .*$", "catalog: postgresql:///no?"
                           f"host={rig.top}", rig.conf.read_text()))
    done = subprocess.run([rig.program("mftctl"), "-f", conf, "delivery",
                           "hold", "d-1"], text=True, capture_output=True,
                          check=False)
    assert done.returncode == 1 and "catalog away: " in done.stderr
    assert "may have been done" not in done.stderr


def test_each_id_for_itself(rig):
    """One that cannot be held does not keep the others from it."""
    done = wait_state(rig, upload(rig, "sent"), "DONE")["id"]
    ids = [upload(rig, f"several{i}", account="carol") for i in range(2)]
    out = refused(rig, "hold", ids[0], done, ids[1],
                  words=[f"{done}: it is DONE"]).stdout
    assert out.splitlines() == [f"{i}: QUEUED -> HELD" for i in ids]
    assert wish(rig, "cancel", *ids) == {
        i: ("HELD", "CANCELLED") for i in ids}


# ---- against an outbound that is at it

def test_claimed_again_while_it_is_sent(rig, partner):
    """Its owner claims it anew while a deliver of the try before still runs:
    that one comes to nothing, and then it is sent."""
    partner.fault("-e", "inject=utimensat:delay_enter=4s")
    id_ = upload(rig, "again")
    wait_state(rig, id_, "SENDING")
    partner.fault()
    assert wish(rig, "hold", id_) == {id_: ("SENDING", "HELD")}
    wish(rig, "release", id_)
    wait_state(rig, id_, "CLAIMED")
    assert wait_state(rig, id_, "DONE")["tries"] == 2
    assert partner.renames().count("in/again") == 1
    assert not [n for n in partner.names() if n.startswith(f".mft-{id_}.")]


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_race_with_its_owner(partner, catalog):
    """Held, released and cancelled again and again while they are sent: each
    arrives once, or, cancelled, never."""
    names = set()
    content = os.urandom(100000)
    shutil.rmtree(partner.home / "in")
    (partner.home / "in").mkdir()
    with contextlib.ExitStack() as stack:
        uri = stack.enter_context(catalog()).uri if catalog else None
        rig = stack.enter_context(Rig(catalog=uri))
        rig.up(objects(rig, partner))
        before = len(partner.renames())
        # windows in SENDING, also of what is whole: where it looks at the names
        partner.fault("-e", "inject=?lstat,?newfstatat:delay_enter=20ms")
        caught = race(rig, names, content)
        print({what: collections.Counter(s) for what, s in caught.items()})
        judge_race(rig, partner, names, content, before)


def race(rig, names, content):
    """From which states it was held, cancelled and released.  When one is seen
    may be too late for it: there are more files until each was caught."""
    (rig.top / "file").write_bytes(content)
    chance = random.Random(1)
    caught = {"cancel": [], "hold": [], "release": []}
    deadline = time.monotonic() + RACE_S
    while not RACE_STATES <= set(caught["hold"]) or \
            not RACE_STATES & set(caught["cancel"]):
        assert time.monotonic() < deadline, caught
        if not unfinished(rig, names):
            upload_more(rig, names)
        for state in sorted(RACE_STATES):
            interfere(rig, names, state, chance, caught)
    return caught


def upload_more(rig, names):
    more = {f"race{len(names) + i:03}" for i in range(RACE_FILES)}
    names |= more
    done = rig.sftp("".join(f"put {rig.top}/file {n}\n" for n in more))
    assert done.returncode == 0, done.stderr
    wait_for("all deliveries",
             lambda: len(racing(rig, names)) == len(names))


def interfere(rig, names, state, chance, caught):
    """When some are in that state, or all have ended."""
    there = wait_for(state, lambda: [
        d["id"] for d in racing(rig, names) if d["state"] == state]
        or not unfinished(rig, names))
    if there is True:
        return
    others = unfinished(rig, names)
    chance.shuffle(others)
    for what, ids in (("cancel", there[:chance.randrange(2)]),
                      ("hold", there + others[:len(others) // 2]),
                      ("release", others)):
        out = rig.mftctl("-j", "delivery", what, *(ids or ["d-0"]),
                         check=False).stdout
        caught[what] += [json.loads(line)["from"]
                         for line in out.splitlines()]


def racing(rig, names):
    return [d for d in deliveries(rig, "-a", "alice") if d["name"] in names]


def unfinished(rig, names):
    return [d["id"] for d in racing(rig, names) if d["state"] not in ENDS]


def judge_race(rig, partner, names, content, before):
    wait_for("the end of all", lambda: not unfinished(rig, names))
    rows = racing(rig, names)
    renames = partner.renames()[before:]
    for row in rows:
        path = partner.home / "in" / row["name"]
        asked = renames.count("in/" + row["name"])
        if row["state"] == "CANCELLED":
            assert not path.exists() and asked == 0, row
        else:
            assert row["state"] == "DONE", row
            assert path.read_bytes() == content and asked == 1, row
    ends = collections.Counter(row["state"] for row in rows)
    print(ends)
    # ".mft-ID.TRY.part": only what has no next try is left
    left = {n.removeprefix(".mft-").split(".")[0] for n in partner.names()
            if n.startswith(".mft-")}
    assert left <= {r["id"] for r in rows if r["state"] == "CANCELLED"}
    assert len(rows) == len(names) and ends["DONE"] and ends["CANCELLED"]
