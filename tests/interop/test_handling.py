# Part of mftd; see LICENSE.
"""What a route says of names at the partner: the daemon delivers to OpenSSH's
sshd, and to another mftd, which tells hashes."""
import contextlib
import json
import os
import shutil

import pytest
import rig as rigs
from rig import Rig, USER
from sshd import Sshd

PATIENCE_S = 60
BIG = 64 << 20
REQUEST = 261120        # the most that one WRITE has
_ROUTE = """  - name: {name}
    account: {name}
    partner: acme
    directory: in
    settle_s: 0
{more}"""
# an account for each kind of route: uploads of it are handled like that
ROUTES = {
    "alice": {},
    "over": {"if_exists": "overwrite"},
    "number": {"if_exists": "number"},
    "skip": {"if_exists": "skip"},
    "suffix": {"temp_suffix": ".up"},
    "versions": {"temp_suffix": ".up", "if_exists": "overwrite"},
    "folder": {"temp_directory": "tmp", "mode": '"0640"',
               "mtime": "preserve"},
    "preserved": {"temp_suffix": ".up", "mtime": "preserve",
                  "if_exists": "number"},
    "resume": {"resume": "verify"},
    "trigger": {"trigger": ".done", "trigger_line": '"{name}"'},
    "numbers": {"trigger": ".done", "if_exists": "number"},
    "replace": {"trigger": '"{stem}.done"', "if_exists": "overwrite"},
}


def objects(rig, partner):
    return ("accounts:\n" + "".join(
        f"  - name: {name}\n    volume: main\n    root: {name}\n"
        f"    keys: [\"{rig.alice}\"]\n" for name in ROUTES)
        + "partners:\n" + partner + "routes:\n" + "".join(
            _ROUTE.format(name=name, more="".join(
                f"    {key}: {value}\n" for key, value in route.items()))
            for name, route in ROUTES.items()))


class Mftd:
    """Another mftd as the partner: where it takes files is in home."""

    def __init__(self, more=""):
        self.rig, self.more = Rig(), more
        self.home = self.rig.volume / "partner"
        self.key = self.rig.top / "etc/partner"
        shutil.copy(self.rig.top / "etc/alice", self.key)
        shutil.chown(self.key, USER)

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.push(self.rig)
            self.serve()
            undo.pop_all()
        return self

    def serve(self):
        self.rig.up("accounts:\n" + "".join(
            f"  - name: {name}\n    volume: main\n    root: {name}\n"
            f"    keys: [\"{self.rig.alice}\"]\n"
            for name in ("alice", "partner")) + self.more)
        done = self.rig.sftp("mkdir in\nmkdir tmp\n", user="partner")
        assert done.returncode == 0, done.stderr

    def __exit__(self, *_):
        self.rig.__exit__()

    def objects(self):
        return (f"  - name: acme\n    host: 127.0.0.1\n"
                f"    port: {self.rig.port}\n    user: partner\n"
                f"    key_file: {self.key}\n"
                f"    host_keys: [\"{self.rig.host_key}\"]\n")


class World:
    def __init__(self, rig, partner):
        self.rig, self.partner = rig, partner
        self.dir = partner.home / "in"

    def ctl(self, *args):
        done = self.rig.mftctl("-j", "delivery", *args)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def upload(self, account, name, content=b"content", extra=""):
        """Its delivery's id, once there is one."""
        before = {d["id"] for d in self.ctl("list", "-a", account)}
        path = self.rig.top / "file"
        path.write_bytes(content)
        os.utime(path, (1234567890, 1234567890))
        done = self.rig.sftp(f"put {extra} {path} {name}\n", user=account)
        assert done.returncode == 0, done.stderr
        return wait_for(f"delivery of {name}", lambda: [
            d["id"] for d in self.ctl("list", "-a", account)
            if d["id"] not in before])[0]

    def show(self, id_):
        return self.ctl("show", id_)[0]

    def ends(self, id_, state="DONE"):
        """What is told of it once it has come to that state."""
        def look():
            story = self.show(id_)
            assert story["state"] in (
                state, "QUEUED", "CLAIMED", "SENDING", "SENT", "PUBLISHING",
                "DELIVERED", "WAITING"), story
            return story if story["state"] == state else None
        return wait_for(f"{id_} {state}", look)

    def put(self, name, content):
        (self.dir / name).write_bytes(content)

    def names(self):
        return sorted(os.listdir(self.dir))


def wait_for(what, look):
    return rigs.wait_for(what, look, PATIENCE_S)


@contextlib.contextmanager
def running(partner):
    with partner, Rig() as rig:
        yield World(rig.up(objects(rig, partner.objects())), partner)


@pytest.fixture(scope="module", name="pair", params=["openssh", "mftd"])
def _pair(request):
    partner = Sshd(USER) if request.param == "openssh" else Mftd()
    with running(partner) as world:
        if request.param == "openssh":
            (partner.home / "tmp").mkdir()
        yield world


@pytest.fixture(name="world")
def _world(pair):
    yield pair
    for path in pair.dir.iterdir():
        path.unlink()


@pytest.fixture(scope="module", name="sshd")
def _sshd():
    with running(Sshd(USER)) as world:
        yield world


def is_mftd(world):
    return isinstance(world.partner, Mftd)


def test_overwrite(world):
    world.put("a", b"theirs")
    world.ends(world.upload("over", "a"))
    assert (world.dir / "a").read_bytes() == b"content"
    world.ends(world.upload("over", "a", b"and more"))
    assert (world.dir / "a").read_bytes() == b"and more"
    assert world.names() == ["a"]


def test_number(world):
    for _ in range(3):
        story = world.ends(world.upload("number", "a.txt"))
    assert world.names() == ["a-1.txt", "a-2.txt", "a.txt"]
    assert story["name"] == "a-2.txt" and story["numbered"] == "in/a-2.txt"
    assert {d["name"] for d in world.ctl("list", "-a", "number")} == set(world.names())
    shown = world.rig.mftctl("delivery", "list", "-a", "number").stdout
    assert " a-1.txt " in shown and " a-2.txt " in shown


def test_skip(world):
    """Compared by the server's hash where it tells one, else by reading."""
    content = os.urandom(3 << 20)
    world.put("same", content)
    inode = (world.dir / "same").stat().st_ino
    story = world.ends(world.upload("skip", "same", content))
    assert story["skipped"] == "the partner had it"
    assert story["verified"] == ("hash" if is_mftd(world) else "read back")
    assert (world.dir / "same").stat().st_ino == inode
    world.put("other", content[:-1] + bytes([content[-1] ^ 1]))
    story = world.ends(world.upload("skip", "other", content), "FAILED")
    assert "the name exists" in story["error"]
    assert world.names() == ["other", "same"]


def test_verified(world):
    story = world.ends(world.upload("alice", "plain"))
    assert story["verified"] == ("hash" if is_mftd(world) else "size")
    assert "skipped" not in story and "numbered" not in story


def test_suffix(world):
    """One name, many uploads of it: all but the first find it taken."""
    ids = [world.upload("suffix", "a", bytes([i]) * 100000)
           for i in range(1, 6)]
    states = [wait_for("ends", lambda i=i: (s := world.show(i))["state"] in (
        "DONE", "FAILED") and s)["state"] for i in ids]
    assert sorted(states) == ["DONE"] + ["FAILED"] * 4
    first = states.index("DONE") + 1
    assert (world.dir / "a").read_bytes() == bytes([first]) * 100000
    assert world.names() == ["a"]


def test_suffix_of_another_route(world):
    """What another route delivers may end like the temporary names: a partner
    that has such a convention would not see it as a file of this one."""
    world.ends(world.upload("alice", "s.up", b"delivered"))
    story = world.ends(world.upload("suffix", "s.up", b"other"), "FAILED")
    assert "temporary names of its route" in story["error"]
    story = world.ends(world.upload("suffix", "s"))
    assert story["temporary"] == f"in/s.{story['id']}.1.up"
    assert world.names() == ["s", "s.up"]
    assert (world.dir / "s.up").read_bytes() == b"delivered"


def test_folder(world):
    story = world.ends(world.upload("folder", "a", extra="-p"))
    assert story["temporary"] == f"tmp/.mft-{story['id']}.1.part"
    st = (world.dir / "a").stat()
    assert st.st_mode & 0o777 == 0o640
    assert int(st.st_mtime) == 1234567890
    assert not os.listdir(world.partner.home / "tmp")


def test_trigger(world):
    story = world.ends(world.upload("trigger", "a"))
    assert world.names() == ["a", "a.done"]
    assert (world.dir / "a.done").read_text() == "a\n"
    (world.dir / "a").unlink()
    # the last one is there still: it will do for both
    world.ends(world.upload("trigger", "a"))
    assert world.names() == ["a", "a.done"]
    assert story["state"] == "DONE"


def test_trigger_replaces_no_file(world):
    """Not its own, and not that of another route."""
    story = world.ends(world.upload("replace", "report.done"), "FAILED")
    assert "the file's own name" in story["error"] and world.names() == []
    world.ends(world.upload("alice", "report.done", b"delivered"))
    story = world.ends(world.upload("replace", "report.csv"))
    assert "was not replaced" in story["error"]
    assert world.names() == ["report.csv", "report.done"]
    assert (world.dir / "report.done").read_bytes() == b"delivered"
    (world.dir / "report.done").unlink()
    for _ in range(2):
        story = world.ends(world.upload("replace", "report.csv"))
        assert "error" not in story
        assert (world.dir / "report.done").read_bytes() == b""


def test_resolved_has_its_trigger(sshd):
    """A person says that it arrived: then so is its trigger file renamed."""
    partner = sshd.partner
    partner.fault("-e", "inject=?link,?linkat:delay_enter=30s")
    id_ = sshd.upload("trigger", "doubt")
    sshd.ends(id_, "PUBLISHING")
    partner.fault()
    (temp,) = [n for n in sshd.names() if n.endswith(".part")]
    (sshd.dir / temp).rename(partner.home / "taken")
    partner.cut()
    sshd.ends(id_, "IN_DOUBT")
    assert sshd.names() == [temp.replace("1.part", "trigger")]
    sshd.ctl("resolve", id_, "delivered")
    sshd.ends(id_)
    assert sshd.names() == ["doubt.done"]
    (sshd.dir / "doubt.done").unlink()


def test_trigger_outlives_its_owner(sshd):
    """outbound and its deliver are killed between the two renames: the next
    owner goes on with the second."""
    partner = sshd.partner
    # only the trigger's is one step
    partner.fault("-e",
                  "inject=?rename,?renameat,?renameat2:delay_enter=30s")
    id_ = sshd.upload("trigger", "late")
    sshd.ends(id_, "DELIVERED")
    partner.fault()
    sshd.rig.kill("outbound")
    partner.cut()
    sshd.ends(id_)
    assert sshd.names() == ["late", "late.done"]
    assert (sshd.dir / "late.done").read_text() == "late\n"
    for path in sshd.dir.iterdir():
        path.unlink()


def test_trigger_and_file_of_another_route(sshd):
    """A file that would be where a trigger is on its way to waits, and then finds
    it there."""
    partner = sshd.partner
    partner.fault("-e",
                  "inject=?rename,?renameat,?renameat2:delay_enter=5s")
    id_ = sshd.upload("trigger", "both")
    sshd.ends(id_, "DELIVERED")
    partner.fault()
    file = sshd.upload("alice", "both.done", b"delivered")
    story = sshd.ends(file, "FAILED")
    assert "the name exists" in story["error"]
    sshd.ends(id_)
    assert sshd.names() == ["both", "both.done"]
    assert (sshd.dir / "both.done").read_text() == "both\n"
    for path in sshd.dir.iterdir():
        path.unlink()


@pytest.mark.parametrize("account", ["folder", "preserved"])
def test_taken_on_the_way(sshd, account):
    """The partner's own program takes the name between the look and the rename,
    which is refused then: nothing is in doubt, wherever it was sent to."""
    partner = sshd.partner
    (partner.home / "tmp").mkdir(exist_ok=True)
    partner.fault("-e", "inject=?link,?linkat:delay_enter=5s")
    id_ = sshd.upload(account, "taken", extra="-p")
    sshd.ends(id_, "PUBLISHING")
    sshd.put("taken", b"theirs")
    story = sshd.ends(id_, "FAILED" if account == "folder" else "DONE")
    partner.fault()
    if account == "folder":
        assert "the name exists" in story["error"]
        assert sshd.names() == ["taken"]
    else:
        assert story["numbered"] == "in/taken-1"
        assert sshd.names() == ["taken", "taken-1"]
    assert (sshd.dir / "taken").read_bytes() == b"theirs"
    wait_for("its temporary file's end",
             lambda: not os.listdir(partner.home / "tmp"))
    for path in sshd.dir.iterdir():
        path.unlink()


def test_trigger_that_does_not_go_through(sshd):
    """A file that would be at its name says that it waits, and for what; a person
    can take it back, and the others go on as soon as it has gone through."""
    partner = sshd.partner
    partner.fault("-e", "inject=?rename,?renameat,?renameat2:error=EACCES")
    id_ = sshd.upload("trigger", "stuck")
    wait_for("the first look in vain", lambda: "ermission denied"
             in sshd.show(id_).get("error", ""))
    files = [sshd.upload("alice", "stuck.done", b"delivered"),
             sshd.upload("over", "stuck.done", b"delivered")]
    for file in files:
        story = sshd.ends(file, "WAITING")
        assert f"waits for delivery {id_}" in story["error"]
        assert story["tries"] == 0
    sshd.ctl("cancel", files[0])
    sshd.ends(files[0], "CANCELLED")
    partner.fault()
    sshd.ends(id_)
    sshd.ends(files[1])
    assert sshd.names() == ["stuck", "stuck.done"]
    assert (sshd.dir / "stuck.done").read_bytes() == b"delivered"
    for path in sshd.dir.iterdir():
        path.unlink()


def test_trigger_of_a_number(sshd):
    """Its name is known on the way only: whoever is at it then, the other one
    comes after it."""
    partner = sshd.partner
    sshd.put("n", b"theirs")
    partner.fault("-e",
                  "inject=?rename,?renameat,?renameat2:delay_enter=30s")
    id_ = sshd.upload("numbers", "n")
    sshd.ends(id_, "DELIVERED")
    partner.fault()
    file = sshd.upload("alice", "n-1.done", b"delivered")
    sshd.ends(file, "CLAIMED")
    partner.cut()
    story = sshd.ends(file, "FAILED")
    assert "the name exists" in story["error"]
    sshd.ends(id_)
    assert (sshd.dir / "n-1.done").read_bytes() == b""
    partner.fault("-e", "inject=?link,?linkat:delay_enter=30s")
    file = sshd.upload("alice", "n-2.done", b"delivered")
    sshd.ends(file, "PUBLISHING")
    partner.fault()
    id_ = sshd.upload("numbers", "n")
    story = sshd.ends(id_, "WAITING")
    assert "another delivery is at the name" in story["error"]
    partner.cut()
    sshd.ends(file)
    assert sshd.ends(id_)["numbered"] == "in/n-2"
    assert sshd.names() == ["n", "n-1", "n-1.done", "n-2", "n-2.done"]
    assert (sshd.dir / "n-2.done").read_bytes() == b"delivered"
    for path in sshd.dir.iterdir():
        path.unlink()


def test_suffix_and_a_late_rename(sshd):
    """A server that hangs in a rename goes on when its client is long gone: it
    publishes nothing of the version that is on its way by then."""
    partner = sshd.partner
    partner.fault("-e", "inject=?rename,?renameat:delay_enter=8s:when=1")
    id_ = sshd.upload("versions", "late", b"one")
    sshd.ends(id_, "PUBLISHING")
    (hung,) = partner.servers()
    # this one goes on, so without partner.fault
    (partner.top / "fault").write_text("-e inject=fsync:delay_enter=12s")
    sshd.rig.kill("deliver")
    # by a connection of its own, of which nothing is synced any more
    sshd.ends(id_)
    assert (sshd.dir / "late").read_bytes() == b"one"
    next_id = sshd.upload("versions", "late", b"another")
    wait_for("its temporary name", lambda: sshd.names() == [
        "late", f"late.{next_id}.1.up"])
    wait_for("the end of the first server",
             lambda: not os.path.exists(f"/proc/{hung}"))
    found = (sshd.dir / "late").read_bytes()
    assert found == b"one" or sshd.show(next_id)["state"] != "SENDING"
    (partner.top / "fault").write_text("")
    assert sshd.ends(next_id)["tries"] == 1
    assert (sshd.dir / "late").read_bytes() == b"another"
    assert sshd.names() == ["late"]
    (sshd.dir / "late").unlink()


def test_overwrite_needs_the_server(sshd):
    """One without posix-rename: said, and not begun."""
    sshd.partner.options("-P", "posix-rename")
    story = sshd.ends(sshd.upload("over", "b"), "FAILED")
    assert "the server has no posix-rename@openssh.com" in story["error"]
    sshd.partner.options()
    assert sshd.names() == []


def test_cancelled_leaves_nothing(sshd):
    partner = sshd.partner
    partner.fault("-e", "inject=utimensat:delay_enter=3s")
    id_ = sshd.upload("alice", "c")
    sshd.ends(id_, "SENDING")
    wait_for("its temporary name", sshd.names)
    sshd.ctl("cancel", id_)
    partner.fault()
    wait_for("its end", lambda: not sshd.names())
    assert sshd.show(id_)["state"] == "CANCELLED"


def written(partner):
    """What each handle that wrote has written, in order."""
    text = (partner.top / "log").read_text()
    return [n for n in (int(line.rpartition(" ")[2]) for line in
                        text.splitlines() if " written " in line) if n]


def test_resume(sshd):
    """A cut amid a large file: what arrived is not sent again."""
    partner = sshd.partner
    content = os.urandom(1 << 20) * (BIG >> 20)
    partner.fault("-e", "inject=fsync:delay_enter=60s")
    id_ = sshd.upload("resume", "big", content)
    (temp,) = wait_for("its temporary name", sshd.names)
    wait_for("half of it", lambda: (
        sshd.dir / temp).stat().st_size >= BIG // 2)
    partner.fault()
    partner.cut()
    story = sshd.ends(id_)
    assert story["tries"] == 2 and story["temporary"] == "in/" + temp
    assert (sshd.dir / "big").read_bytes() == content
    # the request in which these 4 MiB begin goes out whole
    assert written(partner)[-1] <= BIG // 2 + (4 << 20) + REQUEST
    assert sshd.names() == ["big"]
    (sshd.dir / "big").unlink()


def part_bytes(partner):
    """How much an upload to it has come to."""
    parts = partner.rig.volume / ".mft/parts"
    return max((path.stat().st_size for path in parts.rglob("*")
                if path.is_file()), default=0)


def test_resume_by_hash():
    """The server tells the hash of what it has: all of it need not be sent
    again."""
    with running(Mftd("    bandwidth: {in: 16M}\n")) as world:
        rig, partner = world.rig, world.partner
        content = os.urandom(1 << 20) * (BIG >> 20)
        id_ = world.upload("resume", "big", content)
        wait_for("half of it", lambda: part_bytes(partner) >= BIG // 2)
        rig.kill("deliver")
        story = world.ends(id_)
        assert story["tries"] == 2 and story["verified"] == "hash"
        (at,) = rig.lines(r"goes on at (\d+) of")
        # what was not synced yet is not told of, and no part is
        assert int(at) >= BIG // 2 - (16 << 20)
        assert (world.dir / "big").read_bytes() == content
        assert world.names() == ["big"]
