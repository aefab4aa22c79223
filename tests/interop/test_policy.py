# Part of mftd; see LICENSE.
"""What an account's policy lets OpenSSH's client do: read-only, folders, quota,
umask and group, from the objects file to the disk."""
import concurrent.futures
import os
import stat

import pytest
from rig import Rig

MIB = 1 << 20
_ACCOUNT = """  - name: {name}
    volume: main
    root: {name}
    keys: ["{key}"]
{more}"""
_MORE = {
    "alice": "",
    "reader": "    read_only: true\n",
    "shared": "    folders:\n"
              "      - {name: in, path: common/in}\n"
              "      - {name: docs, path: common/docs, read_only: true}\n",
    "small": "    quota: {bytes: 10M}\n",
    "large": "    quota: {bytes: 1G}\n",
    "few": "    quota: {files: 3}\n",
    "private": "    umask: \"077\"\n    group: nogroup\n",
    "stranger": "    group: root\n",
}


@pytest.fixture(scope="module", name="rig")
def _rig():
    with Rig() as rig:
        text = "accounts:\n" + "".join(
            _ACCOUNT.format(name=name, key=rig.alice, more=more)
            for name, more in _MORE.items())
        yield rig.up(text)


@pytest.fixture(name="f")
def _f(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"text")
    return path


def ok(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done, word):
    assert done.returncode != 0, done.stdout
    assert word in done.stdout + done.stderr


def test_read_only_account(rig, f, tmp_path):
    ok(rig.sftp("ls\n", user="reader"))     # journal makes its root
    (rig.volume / "reader/there").write_bytes(b"one")
    (rig.volume / "reader/d").mkdir()
    for change in (f"put {f} new", f"put {f} there", f"reput {f} there",
                   "rm there", "mkdir new", "rmdir d", "rename there new",
                   "chmod 600 there", "ln there new", "ln -s there new"):
        refused(rig.sftp(change + "\n", user="reader"), "ermission denied")
    ok(rig.sftp(f"get there {tmp_path}/got\n", user="reader"))
    assert (tmp_path / "got").read_bytes() == b"one"
    assert sorted(os.listdir(rig.volume / "reader")) == ["d", "there"]


def test_folders(rig, f, tmp_path):
    out = ok(rig.sftp(f"ls -1\ncd in\nput {f} a\npwd\n", user="shared"))
    assert {"in", "docs"} <= set(out.split())
    assert "/in" in out
    assert (rig.volume / "common/in/a").read_bytes() == b"text"
    (rig.volume / "common/docs/d").write_bytes(b"doc")
    (rig.volume / "shared/in").mkdir()      # hidden by the folder
    (rig.volume / "shared/in/hidden").write_bytes(b"")
    out = ok(rig.sftp(f"ls -1\nget docs/d {tmp_path}/d\nrename in/a b\n"
                      "rename b in/c\nls -1 in\n", user="shared"))
    assert out.count("\nin ") + out.count("\nin\n") == 1, out
    assert "hidden" not in out
    assert (tmp_path / "d").read_bytes() == b"doc"
    assert os.listdir(rig.volume / "common/in") == ["c"]
    for change in ("rmdir in", "rename in out", "mkdir docs",
                   f"put {f} docs/new", "rm docs/d", "rename docs/d d",
                   "rename in/c docs/c", "chmod 700 in"):
        refused(rig.sftp(change + "\n", user="shared"), "ermission denied")
    assert os.listdir(rig.volume / "common/docs") == ["d"]
    # nothing of the volume but these
    for path in ("in/../../alice", "../common", "in/../docs/../../common"):
        refused(rig.sftp(f"cd {path}\n", user="shared"), "No such file")


def test_links_in_folders_stay_there(rig, tmp_path):
    ok(rig.sftp("ls\n", user="shared"))
    (rig.volume / "common/secret").write_bytes(b"no")
    top = rig.volume / "common/in"
    (top / "up").symlink_to("..")
    (top / "abs").symlink_to("/etc/passwd")
    (top / "root").symlink_to("../../shared")
    for path in ("in/up/secret", "in/abs", "in/root/in"):
        refused(rig.sftp(f"get {path} {tmp_path}/x\n", user="shared"),
                "")     # each said in another way by this client
        assert not (tmp_path / "x").exists()


def upload(rig, tmp_path, user, name, size):
    path = tmp_path / f"{user}-{name}"
    with open(path, "wb") as out:
        out.truncate(size)
    return rig.sftp(f"put {path} {name}\n", user=user)


def test_quota_of_bytes(rig, tmp_path):
    ok(upload(rig, tmp_path, "small", "a", 6 * MIB))
    refused(upload(rig, tmp_path, "small", "b", 4 * MIB + 1), "ailure")
    assert os.listdir(rig.volume / "small") == ["a"]
    ok(upload(rig, tmp_path, "small", "b", 4 * MIB))
    refused(upload(rig, tmp_path, "small", "c", 1), "ailure")
    ok(upload(rig, tmp_path, "small", "a", 6 * MIB))    # over itself
    out = ok(rig.sftp("df\n", user="small"))
    assert out.splitlines()[-1].split()[:3] == ["10240", "10240", "0"], out
    ok(rig.sftp("rm a\nrm b\n", user="small"))
    ok(upload(rig, tmp_path, "small", "a", 10 * MIB))
    ok(rig.sftp("rm a\n", user="small"))


def test_quota_is_heard_early(rig, tmp_path):
    """The client hears long before it has sent a file that cannot fit."""
    refused(upload(rig, tmp_path, "small", "huge", 2048 * MIB), "ailure")
    sent = [int(n) for n in rig.lines(r"ended: in=(\d+)")]
    assert 10 * MIB <= max(sent) < 64 * MIB
    assert not (rig.volume / "small/huge").exists()
    parts = rig.volume / ".mft/parts/small"
    assert not [f for _, _, files in os.walk(parts) for f in files]


def test_quota_asked_while_requests_are_outstanding(rig, tmp_path):
    """Room is granted in steps: the writes that wait for one keep their
    order."""
    path = tmp_path / "bytes"
    path.write_bytes(os.urandom(150 * MIB))
    ok(rig.sftp(f"put {path} got\n", user="large"))
    assert (rig.volume / "large/got").read_bytes() == path.read_bytes()


def test_quota_race(rig, tmp_path):
    """Two sessions whose sum does not fit: one of them is published."""
    for n in range(5):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            done = list(pool.map(
                lambda name: upload(rig, tmp_path, "small", name, 6 * MIB),
                ("one", "two")))
        there = os.listdir(rig.volume / "small")
        assert len(there) == 1, n
        assert [d.returncode for d in done].count(0) == 1
        ok(rig.sftp(f"rm {there[0]}\n", user="small"))


def test_quota_of_files(rig, tmp_path):
    for name in "abc":
        ok(upload(rig, tmp_path, "few", name, 0))
    refused(upload(rig, tmp_path, "few", "d", 0), "ailure")
    refused(rig.sftp("ln a d\n", user="few"), "ailure")
    ok(rig.sftp("mkdir dir\nrename a dir/a\nrename b c\n", user="few"))
    ok(upload(rig, tmp_path, "few", "d", 5))
    refused(upload(rig, tmp_path, "few", "e", 5), "ailure")


def test_quota_survives_a_kill(rig, tmp_path):
    ok(upload(rig, tmp_path, "small", "a", 9 * MIB))
    rig.stop()
    os.unlink(rig.volume / ".mft/usage/small")
    rig.start()
    refused(upload(rig, tmp_path, "small", "b", MIB + 1), "ailure")
    ok(upload(rig, tmp_path, "small", "b", MIB))
    ok(rig.sftp("rm a\nrm b\n", user="small"))


def test_umask_and_group(rig, f):
    f.chmod(0o666)
    ok(rig.sftp(f"put {f} new\nmkdir d\n", user="private"))
    top = rig.volume / "private"
    assert stat.S_IMODE((top / "new").stat().st_mode) == 0o600
    assert stat.S_IMODE((top / "d").stat().st_mode) == 0o700
    ok(rig.sftp(f"put {f} new\nmkdir d\n"))
    top = rig.volume / "alice"
    assert stat.S_IMODE((top / "new").stat().st_mode) == 0o644
    assert stat.S_IMODE((top / "d").stat().st_mode) == 0o755


def test_group_of_strangers(rig):
    """The daemon's user is no member of that group: said in the log."""
    assert rig.sftp("ls\n", user="stranger").returncode != 0
    assert rig.lines(r"account=stranger: group 0: this user is no member")
    assert not (rig.volume / "stranger").exists()
