# Part of mftd; see LICENSE.
"""What becomes of a source after it was delivered: archived or deleted once all
its destinations have it, while it is still the file that was delivered.  Two
partners, real ones; the judge looks at storage, journals and catalog."""
import contextlib
import hashlib
import json

import pytest
from databases import Postgres, Sqlite
from history import recorder
from judge import RigRun
import rig as rigs
from rig import USER, Rig
from sshd import Sshd
from test_kills import Uploads, kill_one

PATIENCE_S = 90
ARCHIVE = "kept/{year}/{month}"
KINDS = ["catalog", "journal", "outbound", "coordinator"]
_ROUTE = """  - name: {name}
    account: {account}
    partner: {partner}
    directory: in
    settle_s: 0
    name_template: "{seq}-{{name}}"
    {after}
"""
ARCHIVED = f'after: archive\n    archive: "{ARCHIVE}"'
DELETED = "after: delete"


class Run(RigRun):
    """A run whose catalog may be in either database."""

    settled_s = PATIENCE_S

    def catalog(self):
        return self.rig.db.catalog()


def route(name, partner, after, account="alice"):
    return _ROUTE.format(name=name, partner=partner, after=after,
                         account=account, seq="{seq}")


def objects(rig, partners, routes):
    return ("accounts:\n" + "".join(
        f"  - {{name: {name}, volume: main, root: {name}, keys: "
        f"[\"{rig.alice}\"]}}\n" for name in ("alice", "bob"))
        + "partners:\n" + "".join(partner.objects(name=name)
                                  for name, partner in partners.items())
        + "routes:\n" + routes)


@pytest.fixture(scope="module", name="partners")
def _partners():
    with Sshd(USER) as acme, Sshd(USER) as other:
        yield {"acme": acme, "other": other}


@pytest.fixture(autouse=True)
def _empty(partners):
    """Each rig counts from 1: what one has sent is in the next one's way."""
    for partner in partners.values():
        for path in (partner.home / "in").iterdir():
            path.unlink()


@contextlib.contextmanager
def a_rig(kind, partners, routes):
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Postgres()) if kind == "postgres" \
            else None
        rig = stack.enter_context(Rig(catalog=database and database.uri))
        rig.db = database or Sqlite(rig.state / "catalog.db")
        rig.up(objects(rig, partners, routes))
        rig.sftp("pwd\n", user="bob")   # the login makes the root
        yield rig


def wait_for(what, look):
    return rigs.wait_for(what, look, PATIENCE_S)


def deliveries(rig, name=None):
    lines = rig.mftctl("-j", "delivery", "list").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    return [d for d in found if name is None
            or d["name"].partition("-")[2] == name]


def story(rig, delivery):
    return json.loads(
        rig.mftctl("-j", "delivery", "show", delivery["id"]).stdout)


def wait_source(rig, name, source):
    """Each of its deliveries tells it; the stories."""
    def look():
        found = [story(rig, d) for d in deliveries(rig, name)]
        return found if found and all(
            s.get("source") == source for s in found) else None
    return wait_for(f"{name} {source}", look)


def put(rig, run, name, content, account="alice"):
    """An upload that must be acknowledged, as the judge's client too."""
    who = run.client(f"{account}-{name}", account)
    path = rig.top / "up"
    path.write_bytes(content)
    asked = who.ask("put", name, size=len(content),
                    sha256=hashlib.sha256(content).hexdigest())
    done = rig.sftp(f"put {path} {name}\n", user=account)
    assert done.returncode == 0, done.stderr
    who.told(asked, recorder.OK)


def judged(run, capsys):
    with capsys.disabled():
        print()
        verdict = run.judge()
    assert verdict.good, str(verdict)
    assert verdict.counts["judged"] == "storage+journals+catalog"


def archived(rig, name):
    """{what it is called in the archive: its bytes}"""
    return {p.name: p.read_bytes()
            for p in (rig.volume / "alice/kept").glob(f"*/*/{name}*")}


def links(rig):
    return sorted(p.name for p in (rig.volume / ".mft/out").iterdir())


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_moves_before_both_have_it(partners, kind, tmp_path, capsys):
    routes = route("a", "acme", ARCHIVED) + route("b", "other", DELETED) + \
        route("c", "acme", DELETED, "bob")
    partners["other"].stop()
    try:
        with a_rig(kind, partners, routes) as rig, \
                Run(rig, tmp_path.name) as run:
            put(rig, run, "f", b"of alice")
            wait_for("one has it", lambda: {"DONE", "WAITING"} == {
                d["state"] for d in deliveries(rig, "f")})
            # another's source shows that sources were looked at since
            put(rig, run, "g", b"of bob", "bob")
            wait_source(rig, "g", "DELETED")
            assert not (rig.volume / "bob/g").exists()
            assert (rig.volume / "alice/f").read_bytes() == b"of alice"
            assert archived(rig, "f") == {}
            waits = wait_source(rig, "f", "WANTED")
            assert {s["after"] for s in waits} == {"archive", "delete"}
            partners["other"].start()
            for d in deliveries(rig, "f"):
                if d["state"] != "DONE":    # or it just began
                    rig.mftctl("delivery", "retry", d["id"], check=False)
            done = wait_source(rig, "f", "ARCHIVED")
            assert all(s["state"] == "DONE" for s in done)
            (name,) = {s["source_is"] for s in done}
            assert name.startswith("alice/kept/20")
            assert (rig.volume / name).read_bytes() == b"of alice"
            assert not (rig.volume / "alice/f").exists()
            wait_for("the links' end", lambda: not links(rig))
            judged(run, capsys)
    finally:
        if partners["other"].sshd.poll() is not None:
            partners["other"].start()


def test_cancelled_destination_keeps_it(partners, tmp_path, capsys):
    routes = route("a", "acme", DELETED) + route("b", "other", DELETED)
    partners["other"].stop()
    try:
        with a_rig("sqlite", partners, routes) as rig, \
                Run(rig, tmp_path.name) as run:
            put(rig, run, "f", b"x")
            waits = wait_for("one waits", lambda: [
                d for d in deliveries(rig, "f") if d["state"] == "WAITING"])
            rig.mftctl("delivery", "cancel", waits[0]["id"])
            kept = wait_source(rig, "f", "KEPT")
            assert kept[0]["source_is"] == "route b has not delivered it"
            assert (rig.volume / "alice/f").read_bytes() == b"x"
            wait_for("the link's end", lambda: not links(rig))
            judged(run, capsys)
    finally:
        partners["other"].start()


def test_each_upload_of_one_name(partners, tmp_path, capsys):
    """Uploads of one name all the time, while older ones wait, are sent and
    archived: what each archived name holds is what was delivered as its own."""
    with a_rig("sqlite", partners, route("a", "acme", ARCHIVED)) as rig, \
            Run(rig, tmp_path.name) as run:
        contents = [f"upload {n}".encode() * (n + 1) for n in range(25)]
        for n, content in enumerate(contents):
            put(rig, run, "f", content)
            if n % 5 == 4:      # let it come to the end now and then
                wait_for("it is archived",
                         lambda: not (rig.volume / "alice/f").exists())
        wait_for("all are done", lambda: len(deliveries(rig, "f")) == len(
            contents) and all(
                d["state"] == "DONE" and story(rig, d)["source"] in (
                    "KEPT", "ARCHIVED") for d in deliveries(rig, "f")))
        told = [story(rig, d) for d in deliveries(rig, "f")]
        sums = {s["source_is"]: s["sha256"] for s in told
                if s["source"] == "ARCHIVED"}
        there = {f"alice/kept/{p.parent.parent.name}/{p.parent.name}/{p.name}":
                 hashlib.sha256(p.read_bytes()).hexdigest()
                 for p in (rig.volume / "alice/kept").glob("*/*/*")}
        assert there == sums
        assert len(sums) >= 5
        for s in told:          # each went out with its own bytes
            content = (partners["acme"].home / "in" / s["name"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == s["sha256"]
        judged(run, capsys)


@pytest.mark.parametrize("killed", KINDS)
def test_killed_in_between(partners, tmp_path, killed, capsys):
    """kill -9 while files are delivered and archived: it goes on by itself,
    and all of them come into the archive."""
    with a_rig("sqlite", partners, route("a", "acme", ARCHIVED)) as rig:
        uploads = Uploads(rig, tmp_path)
        uploads.run.settled_s = PATIENCE_S
        try:
            uploads.wait_more(3)
            wait_for("some are archived", lambda: archived(rig, "f"))
            kill_one(rig, killed)
            uploads.run.event("kill", killed)
            uploads.wait_more(5)
        finally:
            uploads.stop()
        with capsys.disabled():
            uploads.check()
        assert sorted(archived(rig, "f")) == sorted(
            {d["name"].partition("-")[2] for d in deliveries(rig)})
        assert not list((rig.volume / "alice").glob("f*"))
        wait_for("the links' end", lambda: not links(rig))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_database_away(partners, kind, tmp_path, capsys):
    """It is taken up again when the database is back."""
    with a_rig(kind, partners, route("a", "acme", ARCHIVED)) as rig, \
            Run(rig, tmp_path.name) as run:
        put(rig, run, "f0", b"before")
        for n in range(1, 4):
            with rig.db.away():
                put(rig, run, f"f{n}", f"file {n}".encode())
        for n in range(4):
            wait_source(rig, f"f{n}", "ARCHIVED")
        assert sorted(archived(rig, "f")) == ["f0", "f1", "f2", "f3"]
        judged(run, capsys)
