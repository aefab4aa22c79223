# Part of mftd; see LICENSE.
"""Routes that take the files of a partner's folder: each version of each file
comes once, whole, whoever dies meanwhile, and nothing is taken away there that
was not delivered."""
import contextlib
import json
import os
import re

import pytest
from databases import Postgres
from deposits import held, kill, kill_all, rows, wait_for, wait_rows
from finds import FindRun
from partner import Partner
from rig import keygen, Rig

BIG = 5 << 20
OLD = 1500000000
_PULL = """  - name: {name}
    from_partner:
      partner: acme
      directory: {directory}
      volume: main
      every_s: 1
      stable_s: {stable}
{more}"""
_TO_BOX = "    to_account: alice\n    to_directory: box\n"


def route(name="pull", directory="from", stable=1, fetched=None, to=_TO_BOX,
          lines=()):
    more = f"      fetched: {fetched}\n" if fetched else ""
    if fetched == "move":
        more += "      move_to: taken\n"
    return _PULL.format(
        name=name, directory=directory, stable=stable,
        more=more + to + "".join(f"    {line}\n" for line in lines))


def objects(rig, partner, *routes, **what):
    head, _ = partner.objects(
        rig.alice, **{"key_file": partner.key, **what}).split("routes:\n")
    return head + "routes:\n" + "".join(routes)


def judged(rig, partner, routes, db=None):
    """A run of routes that all take the files of `from` in one way."""
    text = "".join(routes)
    fetched, = set(re.findall(r"fetched: (\w+)", text)) or {"keep"}
    return FindRun(rig, "pulls", partner, db, pulls={
        "from": (fetched, re.findall(r"- name: (\w+)", text))}, inbox="to")


_runs = {}      # by partner


@contextlib.contextmanager
def unjudged(*routes, catalog=None, **what):
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(catalog()) if catalog else None
        rig = stack.enter_context(Rig(catalog=db.uri if db else None))
        partner = stack.enter_context(Partner())
        for name in ("from", "taken", "to"):
            (partner.files / name).mkdir()
        rig.up(objects(rig, partner, *routes, **what))
        yield rig, partner, db


@contextlib.contextmanager
def system(*routes, **what):
    """What is put into the folder by put() is judged."""
    with unjudged(*routes, **what) as (rig, partner, db), \
            judged(rig, partner, routes, db) as run:
        _runs[partner] = run
        yield rig, partner
        run.assert_good()


def put(partner, name, data, mtime=OLD):
    """Whole at once, with that time."""
    if partner in _runs:
        _runs[partner].told(partner.files / "from", name, data)
    path = partner.files / "from" / name
    fresh = partner.top / "fresh"
    fresh.write_bytes(data)
    os.utime(fresh, (mtime, mtime))
    os.rename(fresh, path)
    return path


def content(path):
    return {p.name: p.read_bytes() for p in path.iterdir()} \
        if path.exists() else {}


def staged(rig):
    return sorted(
        str(path.relative_to(rig.volume)) for where in ("out", "staged")
        for path in (rig.volume / ".mft" / where).rglob("*")
        if path.is_file())


def wait_empty(rig):
    wait_for(rig, "nothing staged", lambda: not staged(rig))


def wait_forgotten(rig, count):
    """Until so many were taken away at the partner, which is more than that they
    are gone: what comes before it has been looked for takes their place, and is
    called the old one until it is read, a minute later."""
    wait_for(rig, "it is forgotten", lambda: [
        json.loads(rig.mftctl("-j", "delivery", "show", row["id"]).stdout).get(
            "fetched_state") for row in rows(rig)] == ["DONE"] * count)


def wait_looks(rig, partner, n=3):
    """So many more looks, by the server's own word of their connections."""
    before = partner.count("Starting session: subsystem")
    wait_for(rig, "more looks", lambda: partner.count(
        "Starting session: subsystem") >= before + n)


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_kept(catalog):
    """Whole regular files that match; the same version once, whoever looks."""
    files = {"a.csv": b"text", "empty": b"", "big": os.urandom(BIG),
             "with space": b"x"}
    with system(route(lines=('except: ["no*"]',)),
                catalog=catalog) as (rig, partner):
        (partner.files / "from/dir").mkdir()
        (partner.files / "from/link").symlink_to("a.csv")
        os.mkfifo(partner.files / "from/fifo")
        for name in ("no.csv", "half.part"):
            _runs[partner].beside(partner.files / "from", name)
            put(partner, name, b"not this")
        for name, data in files.items():
            put(partner, name, data)
        found = wait_rows(rig, len(files))
        assert content(rig.volume / "alice/box") == files
        wait_empty(rig)
        rig.stop()
        rig.start()
        wait_looks(rig, partner)
        put(partner, "next", b"n")
        wait_rows(rig, len(files) + 1)
        assert set(files) < set(os.listdir(partner.files / "from"))
        # another time, or another size, is another version
        put(partner, "a.csv", b"text", OLD + 1)
        put(partner, "empty", b"no more")
        wait_rows(rig, len(files) + 3)
        row = next(row for row in found if row["name"] == "a.csv")
        story = json.loads(
            rig.mftctl("-j", "delivery", "show", row["id"]).stdout)
        assert story["origin"] == "partner"
        assert story["fetched"] == "keep"
        assert story["fetched_verified"] == "size"
        assert story["path"] == "acme:from/a.csv"


@pytest.mark.parametrize("catalog", [None, Postgres])
@pytest.mark.parametrize("fetched", ["delete", "move"])
def test_taken_away(fetched, catalog):
    """Once it is delivered; then it is forgotten: one of equal name, size and
    time is a new one."""
    with system(route(fetched=fetched), catalog=catalog) as (rig, partner):
        for i, data in enumerate((b"one", b"two")):
            put(partner, "x", data)
            wait_forgotten(rig, i + 1)
            assert not content(partner.files / "from")
        found = wait_rows(rig, 2, ("DONE", "FAILED", "WAITING"))
        assert len({row["receipt"] for row in found}) == 2
        taken = content(partner.files / "taken")
        if fetched == "delete":
            assert not taken
        else:
            assert sorted(taken.values()) == [b"one", b"two"]
            assert taken["x"] == b"one"


def test_not_before_it_is_delivered():
    """What cannot be delivered stays at the partner."""
    to = "    partner: away\n    directory: to\n"
    with Rig() as rig, Partner() as partner, Partner() as away:
        (partner.files / "from").mkdir()
        (away.files / "to").mkdir()
        other = away.objects(rig.alice, key_file=away.key).split(
            "partners:\n")[1].split("routes:\n")[0].replace("acme", "away")
        text = objects(rig, partner, route(fetched="delete", to=to))
        rig.up(text.replace("routes:\n", other + "routes:\n"))
        (away.files / "to/x").write_bytes(b"other")
        put(partner, "x", b"mine")
        wait_rows(rig, 1, ("WAITING", "FAILED"))
        wait_looks(rig, partner)
        assert content(partner.files / "from") == {"x": b"mine"}
        (away.files / "to/x").unlink()
        rig.mftctl("delivery", "retry", rows(rig)[0]["id"])
        wait_for(rig, "it is taken away", lambda: not content(
            partner.files / "from"))
        assert content(away.files / "to") == {"x": b"mine"}


def test_a_file_that_grows_is_not_taken():
    with system(route(stable=3)) as (rig, partner):
        path = put(partner, "growing", b"")
        for i in range(4):
            with open(path, "ab") as f:
                f.write(b"x" * 1000)
            _runs[partner].told(path.parent, path.name, path.read_bytes())
            put(partner, f"whole{i}", b"whole")
            wait_looks(rig, partner, 1)
        assert "growing" not in content(rig.volume / "alice/box")
        wait_rows(rig, 5)
        assert content(rig.volume / "alice/box")["growing"] == b"x" * 4000


def test_several_routes_keep():
    with system(route(), route("two", to="    partner: acme\n"
                               "    directory: to\n")) as (rig, partner):
        put(partner, "x", b"x")
        wait_rows(rig, 2)
        assert content(partner.files / "to") == {"x": b"x"}
        assert content(rig.volume / "alice/box") == {"x": b"x"}


def test_wrong_host_key():
    """Nothing is trusted on first use: the partner is stopped, and goes on when
    its key is the right one."""
    with Rig() as rig, Partner() as partner:
        (partner.files / "from").mkdir()
        put(partner, "x", b"x")
        wrong = keygen(partner.top / "wrong")
        rig.up(objects(rig, partner, route(), host_keys=f'["{wrong}"]'))
        wait_for(rig, "the alert", lambda: rig.lines(
            r"partner acme is stopped \(host-key\)|partner acme is stopped"))
        assert not rows(rig)
        rig.mftctl("apply", rig.accounts(objects(rig, partner, route())))
        wait_rows(rig, 1)


def test_a_folder_that_is_not_there():
    with system(route(directory="none")) as (rig, partner):
        wait_for(rig, "the word of it", lambda: rig.lines(
            "route=pull: fetch: opendir: No such file"))
        wait_looks(rig, partner)
        assert len(rig.lines("route=pull: fetch: opendir")) == 1
        os.rename(partner.files / "from", partner.files / "none")
        (partner.files / "from").mkdir()
        run = _runs[partner]
        run.pulls["none"] = run.pulls.pop("from")
        run.told(partner.files / "none", "x", b"x")
        os.rename(put(partner, "x", b"x"), partner.files / "none/x")
        wait_rows(rig, 1)


STAGES = {
    "made": ("pwrite64", 1),
    "copied": ("utimensat", 1),
    "linked": ("linkat", 1),
    "written": ("unlinkat", 1),
}


@pytest.mark.parametrize("catalog", [None, Postgres])
@pytest.mark.parametrize("stage", STAGES)
def test_killed(stage, catalog):
    """All of it, when a fetch has come so far."""
    data = os.urandom(BIG)
    with system(route(fetched="delete"), catalog=catalog) as (rig, partner):
        call, nth = STAGES[stage]
        with held(rig, "outbound", call, nth):
            # one that lives already would not be held
            kill(rig, "fetch")
            put(partner, "file", data)
            wait_for(rig, "the fetch", lambda: call + "(" in (
                rig.top / "strace").read_text() and staged(rig) and (
                    stage != "written" or rows(rig)))
            kill_all(rig)
        rig.stop()
        assert content(partner.files / "from") == {"file": data}
        assert any(name.startswith(".mft/staged/pull/")
                   for name in staged(rig))
        rig.start()
        wait_rows(rig, 1)
        wait_for(rig, "it is taken away", lambda: not content(
            partner.files / "from"))
        assert content(rig.volume / "alice/box") == {"file": data}
        put(partner, "next", b"n")
        wait_rows(rig, 2)
        wait_empty(rig)


def test_catalog_away():
    """Nothing is fetched twice, nothing taken away, while nobody can write."""
    with system(route(fetched="delete"), catalog=Postgres) as (rig, partner):
        db = _runs[partner].db
        put(partner, "before", b"b")
        wait_rows(rig, 1)
        wait_for(rig, "it is taken away", lambda: not content(
            partner.files / "from"))
        with db.away():
            put(partner, "during", b"d")
            wait_for(rig, "trouble with it", lambda: rig.lines(
                "outbound.*: catalog away"))
            assert content(partner.files / "from") == {"during": b"d"}
        wait_rows(rig, 2)
        wait_for(rig, "it is taken away", lambda: not content(
            partner.files / "from"))
        assert content(rig.volume / "alice/box") == {
            "before": b"b", "during": b"d"}
        wait_empty(rig)


BAD = [
    ("      partner: acme", "      partner: none", "no such partner"),
    ("volume: main\n      every", "volume: none\n      every",
     "no such volume"),
    ("every_s: 1", "every_s: 0", "1 to 86400"),
    ("stable_s: 1", "stable_s: 90000", "1 to 86400"),
    ("every_s: 1", "every_s: 1\n      fetched: burn", "keep, delete or move"),
    ("every_s: 1", "every_s: 1\n      fetched: move", "needs a move_to"),
    ("every_s: 1", "every_s: 1\n      resume: yes", "restart or verify"),
    ("every_s: 1", "every_s: 1\n      move_to: x", "without fetched: move"),
    ("every_s: 1", "every_s: 1\n      fetched: move\n      move_to: from",
     "that they come from"),
    ("    to_account", "    settle_s: 3\n    to_account", "stable_s"),
    ("    to_account", "    after: delete\n    to_account",
     "from_partner.fetched"),
    ("    to_account", "    account: alice\n    to_account",
     "from an account, a folder, or a partner"),
    (_TO_BOX, "    partner: acme\n    directory: from/\n", "come back"),
]


def test_bad_configuration_is_refused():
    with Rig() as rig, Partner() as partner:
        good = objects(rig, partner, route())
        rig.mftctl("apply", rig.accounts(good))
        for before, after, word in BAD:
            assert before in good
            done = rig.mftctl("apply", rig.accounts(
                good.replace(before, after)), check=False)
            assert done.returncode != 0 and word in done.stderr, (
                after, done.stderr)
        # the same folder, whatever it is called
        for name in ("from", "from/", "./from", "x/../from"):
            done = rig.mftctl("apply", rig.accounts(objects(
                rig, partner, route(),
                route("two", directory=name, fetched="delete"))), check=False)
            assert "take its files away" in done.stderr
            done = rig.mftctl("apply", rig.accounts(objects(
                rig, partner, route(fetched="move")).replace(
                    "move_to: taken", f"move_to: {name}")), check=False)
            assert "the folder that they come from" in done.stderr
        many = [route(f"r{i}") for i in range(33)]
        done = rig.mftctl("apply", rig.accounts(
            objects(rig, partner, *many)), check=False)
        assert "at most" in done.stderr
        rig.mftctl("apply", rig.accounts(objects(rig, partner, *many[:32])))


def test_partner_test_looks_there():
    """It lists the folder, and writes nothing where nothing is sent."""
    with system(route()) as (rig, partner):
        done = rig.mftctl("partner", "test", "acme")
        assert "from: fetch" in done.stdout
        assert "create" not in done.stdout
        os.rename(partner.files / "from", partner.files / "other")
        done = rig.mftctl("partner", "test", "acme", check=False)
        assert done.returncode != 0 and "No such file" in done.stdout
        os.rename(partner.files / "other", partner.files / "from")
