# Part of mftd; see LICENSE.
"""`mftctl partner scan` and `test` against a real sshd, and what they say of
one that would not take deliveries."""
import asyncio
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import asyncssh
import pytest
from rig import free_port, keygen, Rig, USER
from sshd import Sshd

_OBJECTS = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
partners:
{partners}routes: {routes}
"""


def objects(rig, partners, *directories):
    return _OBJECTS.format(
        key=rig.alice, partners=partners, routes=json.dumps([
            {"name": f"r{i}", "account": "alice", "partner": "acme",
             **(place if isinstance(place, dict) else {"directory": place})}
            for i, place in enumerate(directories)]))


@pytest.fixture(scope="module", name="rig")
def _rig():
    with Rig() as rig:
        yield rig.up()


@pytest.fixture(name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


def probe(rig, partner, *directories, **more):
    """Tests the partner: the exit status, and {step: (result, text)}."""
    rig.mftctl("apply", rig.accounts(objects(
        rig, partner.objects(**more), *directories)))
    done = rig.mftctl("-j", "partner", "test", "acme", check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {
        line["step"]: (line["result"], line.get("text", ""))
        for line in lines}


def fails(found, step, word):
    """That step failed, with that word, and none behind it was taken."""
    result, text = found[step]
    assert result == "FAIL" and word in text, found
    assert list(found)[-1] == step, found


def is_untouched(partner, *there):
    assert partner.names() == sorted(there)


# ---- scan

def fingerprint(line, tmp_path):
    (tmp_path / "key.pub").write_text(line + "\n")
    return subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], check=True,
        text=True, capture_output=True).stdout.split()[1]


def test_scan_shows_what_openssh_shows(rig, partner, tmp_path):
    done = rig.mftctl("partner", "scan", f"127.0.0.1:{partner.port}")
    lines = done.stdout.splitlines()
    assert {line for line in lines if not line.startswith("#")} == {
        partner.host_key, partner.rsa_key}
    for line in (partner.host_key, partner.rsa_key):
        words = lines[lines.index(line) - 1].split()
        assert words == ["#", line.split()[0], fingerprint(line, tmp_path)]
    seen = subprocess.run(
        ["ssh-keyscan", "-p", str(partner.port), "127.0.0.1"], check=True,
        text=True, capture_output=True).stdout
    for line in (partner.host_key, partner.rsa_key):
        assert line in seen


def configuration(rig):
    """Its version, and all keys that are pinned."""
    with contextlib.closing(sqlite3.connect(
            f"file:{rig.state}/catalog.db?mode=ro", uri=True)) as db:
        return (db.execute("SELECT version FROM config").fetchall(),
                db.execute("SELECT * FROM partner_key").fetchall())


def test_scan_of_a_partner_pins_nothing(rig, partner):
    rig.mftctl("apply", rig.accounts(objects(rig, partner.objects())))
    before = configuration(rig)
    done = rig.mftctl("-j", "partner", "scan", "acme")
    assert {(o["key"], o["pinned"])
            for o in map(json.loads, done.stdout.splitlines())} == {
                (partner.host_key, True), (partner.rsa_key, False)}
    assert configuration(rig) == before
    # its lines can be pasted into host_keys
    code, _ = probe(rig, partner, "in",
                    host_keys=[partner.host_key, partner.rsa_key])
    assert code == 0


def test_scan_that_finds_nobody(rig):
    for target, code, word in (
            (f"127.0.0.1:{free_port()}", 1, "Connection refused"),
            ("no-such.invalid:22", 1, "no-such.invalid"),
            ("127.0.0.1:port", 2, "HOST:PORT"), (":22", 2, "HOST:PORT"),
            ("127.0.0.1:70000", 2, "HOST:PORT"),
            ("[::1", 2, "[V6]:PORT"), ("[::1]", 2, "[V6]:PORT"),
            ("::1", 2, "[V6]:PORT"), ("::1:22", 2, "[V6]:PORT"),
            ("[]:22", 2, "[V6]:PORT"), ("[::1]x:22", 2, "[V6]:PORT"),
            ("127.0.0.1:+22", 2, "HOST:PORT"), ("10.1:22", 2, "HOST:PORT"),
            (f"[::1]:{free_port()}", 1, "::1 port"),
            ("nobody", 1, "no partner nobody")):
        done = rig.mftctl("partner", "scan", target, check=False)
        assert done.returncode == code and word in done.stderr, done
        assert done.stdout == ""


# ---- test

def test_one_that_works(rig, partner):
    (partner.home / "other").mkdir()
    (partner.home / "link").symlink_to(partner.home / "other")
    code, found = probe(rig, partner, "in", "link")
    assert code == 0
    assert list(found)[:6] == ["name", "tcp", "host key", "login",
                               "subsystem", "extensions"]
    assert {result for result, _ in found.values()} == {"ok"}, found
    assert "ssh-ed25519 SHA256:" in found["host key"][1]
    assert found["extensions"][1] == ("fsync@openssh.com limits@openssh.com "
                                      "posix-rename@openssh.com")
    for directory in ("in", "link"):
        for step in ("directory", "create", "mtime", "traces", "rename",
                     "no clobber",
                     "remove"):
            assert f"{directory}: {step}" in found
    is_untouched(partner)
    assert partner.names("other") == []
    # it did there what a delivery does
    assert [re.sub("[0-9a-f]{16}", "ID", name) for name in partner.renames()
            ] == ["in/.mft-test-ID"] * 2 + ["link/.mft-test-ID"] * 2
    text = rig.mftctl("partner", "test", "acme").stdout
    assert "ok    in: rename\n" in text and "FAIL" not in text


def test_without_routes_its_own_directory_is_looked_at(rig, partner):
    code, found = probe(rig, partner)
    assert code == 0 and found["routes"][0] == "note"
    assert found[".: remove"][0] == "ok"
    assert sorted(p.name for p in partner.home.iterdir()) == ["in"]


def test_name_and_port(rig, partner):
    code, found = probe(rig, partner, "in", host="no-such.invalid")
    assert code == 1
    fails(found, "name", "no-such.invalid")
    code, found = probe(rig, partner, "in", port=free_port())
    assert code == 1
    fails(found, "tcp", "Connection refused")
    with socket.socket() as silent:     # takes the connection, says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        code, found = probe(rig, partner, "in", port=silent.getsockname()[1])
    assert code == 1
    fails(found, "host key", "key exchange")


def test_each_host_by_itself(rig, partner):
    """What the first refuses is not hidden by the second, nor the other way
    round, nor that there is no way to it from our source."""
    dead, good = free_port(), f"127.0.0.1:{partner.port}"

    def by_host(**more):
        rig.mftctl("apply", rig.accounts(objects(
            rig, partner.objects(**more) + more.get("text", ""), "in")))
        done = rig.mftctl("-j", "partner", "test", "acme", check=False)
        found = {}
        for line in map(json.loads, done.stdout.splitlines()):
            found.setdefault(line["host"], {})[line["step"]] = (
                line["result"], line.get("text", ""))
        return done.returncode, found

    code, found = by_host(port=dead, other_hosts=[good])
    assert code == 1 and list(found) == [f"127.0.0.1:{dead}", good]
    fails(found[f"127.0.0.1:{dead}"], "tcp", "Connection refused")
    assert found[good]["in: rename"] == ("ok", "")
    assert "FAIL" not in {result for result, _ in found[good].values()}
    text = rig.mftctl("partner", "test", "acme", check=False).stdout
    assert f"FAIL  127.0.0.1:{dead}: tcp: 127.0.0.1: Conn" in text
    assert f"ok    {good}: in: rename\n" in text

    code, found = by_host(other_hosts=[f"[::1]:{dead}", f"127.0.0.1:{dead}"],
                          text="    source: 127.0.0.7\n")
    assert code == 1 and list(found) == [
        good, f"[::1]:{dead}", f"127.0.0.1:{dead}"]
    assert found[good]["in: remove"] == ("ok", "")
    fails(found[f"[::1]:{dead}"], "tcp",
          "::1 from 127.0.0.7: Address family not supported")
    fails(found[f"127.0.0.1:{dead}"], "tcp", "Connection refused")

    with socket.socket() as silent:     # takes the connection, says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        code, found = by_host(port=port, other_hosts=[good],
                              text="    connect_s: 1\n")
    assert code == 1
    fails(found[f"127.0.0.1:{port}"], "host key", "key exchange")
    assert found[good]["in: rename"] == ("ok", "")
    is_untouched(partner)


def test_host_key_that_is_another(rig, partner, tmp_path):
    other = keygen(tmp_path / "other")
    code, found = probe(rig, partner, "in", host_keys=[other])
    assert code == 1
    fails(found, "host key", "not the pinned one")
    # what it offers is shown, for a person to compare
    text = rig.mftctl("partner", "test", "acme", check=False).stdout
    assert partner.host_key in text and partner.rsa_key in text
    assert "(pinned)" not in text
    ecdsa = keygen(tmp_path / "ecdsa", "ecdsa")     # it has none of these
    code, found = probe(rig, partner, "in", host_keys=[ecdsa])
    assert code == 1
    fails(found, "host key", "no match")


def test_login(rig, partner, tmp_path):
    partner.authorize(False)
    code, found = probe(rig, partner, "in")
    assert code == 1
    fails(found, "login", "login refused")
    partner.authorize(True)
    key = partner.top / "root-only"
    shutil.copy(partner.key, key)       # the daemon may not read it
    key.chmod(0o600)
    rig.mftctl("apply", rig.accounts(objects(
        rig, partner.objects(key=key), "in")))
    done = subprocess.run(
        [rig.program("mftctl"), "-f", rig.conf, "-j", "partner", "test",
         "acme"], text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert f"cannot read the key: {key}: Permission denied" in done.stdout


def test_key_that_is_none(rig, partner):
    """Which of all the reasons it is stands there."""
    keygen(partner.top / "locked")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f",
                    partner.top / "locked"], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.chown(partner.top / "locked", USER)
    for name, word in (("none", "No such file or directory"),
                       ("home", "Is a directory"),
                       ("authorized", "it is no private key"),
                       ("locked", "it wants a passphrase")):
        code, found = probe(rig, partner, "in", key=partner.top / name)
        assert code == 1
        fails(found, "login",
              f"cannot read the key: {partner.top / name}: {word}")


def test_subsystem(rig, partner):
    (partner.top / "sftp").write_text("#!/bin/sh\nexit 1\n")
    code, found = probe(rig, partner, "in")
    assert code == 1
    fails(found, "sftp", "e")       # it ended, or the channel is closed


def test_directory(rig, partner):
    (partner.home / "file").write_text("theirs")
    code, found = probe(rig, partner, "missing", "file", "in")
    assert code == 1
    assert found["missing: directory"] == ("FAIL", "it is not there")
    assert found["file: directory"] == ("FAIL", "it is no directory")
    assert found["in: rename"][0] == "ok"
    assert (partner.home / "file").read_text() == "theirs"
    is_untouched(partner)


@pytest.mark.parametrize("options,step,result", [
    (["-R"], "in: create", "FAIL"),
    (["-P", "open"], "in: create", "FAIL"),
    (["-P", "write"], "in: write", "FAIL"),
    (["-P", "fsync"], "fsync@openssh.com", "note"),
    (["-P", "fsetstat"], "in: mtime", "note"),
    (["-P", "opendir"], "in: traces", "note"),
    (["-P", "readdir"], "in: traces", "note"),
    (["-P", "rename"], "in: rename", "FAIL"),
    (["-P", "lstat"], "in: directory", "FAIL"),
])
def test_server_that_refuses(rig, partner, options, step, result):
    partner.options(*options)
    code, found = probe(rig, partner, "in")
    assert code == (1 if result == "FAIL" else 0), found
    assert step in found, found
    assert found[step][0] == result and found[step][1], found
    is_untouched(partner)


def test_what_cannot_be_removed_is_named(rig, partner):
    partner.options("-P", "remove")
    code, found = probe(rig, partner, "in")
    assert code == 0
    left = partner.names()
    assert len(left) == 2
    for name in left:
        assert found[f"in/{name}"] == ("note",
                                       "stays there: it cannot be removed")


def test_files_that_may_not_be_so_large(rig, partner):
    script = (partner.top / "sftp").read_text()
    (partner.top / "sftp").write_text(script.replace(
        "\n", "\ntrap '' XFSZ\nulimit -f 4\n", 1))  # of 512 bytes
    code, found = probe(rig, partner, "in")
    assert code == 1 and found["in: write"][0] == "FAIL", found
    is_untouched(partner)


def test_ended_early_it_tidies_up(rig, partner):
    rig.mftctl("apply", rig.accounts(objects(
        rig, partner.objects(), "in", "in2")))
    partner.fault("-e", "inject=?link,?linkat:delay_exit=2s")
    who = pwd.getpwnam(USER)
    with subprocess.Popen(
            [rig.program("mftctl"), "-f", rig.conf, "partner", "test", "acme"],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
            user=who.pw_uid, group=who.pw_gid, extra_groups=[]) as process:
        try:
            while "in: mtime" not in process.stdout.readline():
                assert process.poll() is None
            os.killpg(process.pid, signal.SIGINT)   # as Ctrl-C does
            rest = process.stdout.read()
            assert process.wait() == 1
        finally:
            process.kill()
    assert "FAIL  test: ended early" in rest and "in2" not in rest, rest
    is_untouched(partner)


# ---- what a route says beside its directory

def test_overwrite(rig, partner):
    route = {"directory": "in", "if_exists": "overwrite"}
    code, found = probe(rig, partner, "in", route)
    assert code == 0 and found["in: overwrite"] == ("ok", ""), found
    assert found["in: remove"] == ("ok", "")
    is_untouched(partner)
    partner.options("-P", "posix-rename")
    code, found = probe(rig, partner, route)
    assert code == 1, found
    assert found["in: overwrite"] == (
        "FAIL", "the server has no posix-rename@openssh.com")
    is_untouched(partner)
    assert probe(rig, partner, "in")[0] == 0    # who does not ask for it


def test_overwrite_that_is_refused(rig, partner):
    partner.fault("-e", "inject=?rename,?renameat,?renameat2:error=EPERM")
    code, found = probe(rig, partner, "in")
    assert code == 0, found             # which links and unlinks
    code, found = probe(rig, partner,
                        {"directory": "in", "if_exists": "overwrite"})
    assert code == 1 and found["in: overwrite"][0] == "FAIL", found
    is_untouched(partner)


def test_temp_directory(rig, partner):
    (partner.home / "tmp").mkdir()
    (partner.home / "file").write_text("theirs")
    (partner.home / "same").symlink_to(partner.home / "in")
    step = "in: temp_directory {}: {}".format

    def there(temp, **more):
        return probe(rig, partner, {
            "directory": "in", "temp_directory": temp, **more})

    code, found = there("tmp")
    assert code == 0 and found[step("tmp", "rename")] == ("ok", ""), found
    code, found = there("missing")
    assert code == 1, found
    assert found["in: remove"][0] == "ok"
    fails(found, step("missing", "directory"), "it is not there")
    code, found = there("file")
    assert code == 1
    fails(found, step("file", "directory"), "it is no directory")
    for temp in ("same", str(partner.home / "in")):
        code, found = there(temp)
        assert code == 0
        assert found[step(temp, "directory")][0] == "note", found
        assert "the directory itself" in found[step(temp, "directory")][1]
        code, found = there(temp, temp_suffix=".part")
        assert code == 0 and found[step(temp, "rename")][0] == "ok", found
    is_untouched(partner)
    assert partner.names("tmp") == []
    assert (partner.home / "file").read_text() == "theirs"


def test_temp_directory_of_another_file_system(rig, partner):
    (partner.home / "far").mkdir()
    subprocess.run(["nsenter", "--mount", "--target", str(partner.sshd.pid),
                    "mount", "-t", "tmpfs", "-o", "mode=777", "far",
                    partner.home / "far"], check=True)
    code, found = probe(rig, partner, {
        "directory": "in", "temp_directory": "far"})
    assert code == 1, found
    assert found["in: rename"][0] == "ok"
    fails(found, "in: temp_directory far: rename", "Failure")
    is_untouched(partner)
    assert subprocess.run(
        ["nsenter", "--mount", "--target", str(partner.sshd.pid), "ls", "-A",
         partner.home / "far"], check=True, capture_output=True).stdout == b""


def test_move_to(rig, partner):
    def there(move_to):
        rig.mftctl("apply", rig.accounts(_OBJECTS.format(
            key=rig.alice, partners=partner.objects(), routes=json.dumps([
                {"name": "r", "to_account": "alice", "from_partner": {
                    "partner": "acme", "directory": "in", "volume": "main",
                    "fetched": "move", "move_to": move_to}}]))))
        done = rig.mftctl("-j", "partner", "test", "acme", check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, {
            line["step"]: (line["result"], line.get("text", ""))
            for line in lines}

    (partner.home / "old").mkdir()
    code, found = there("old")
    assert code == 0, found
    assert found["in: move_to old: directory"] == ("ok", "")
    code, found = there("gone")
    assert code == 1
    fails(found, "in: move_to gone: directory", "it is not there")
    is_untouched(partner)
    assert partner.names("old") == [] and partner.renames() == []


class Replacing(asyncssh.SFTPServer):
    """Its RENAME replaces a file, as no server's should."""

    def rename(self, oldpath, newpath):
        os.replace(self.map_path(oldpath), self.map_path(newpath))


@contextlib.contextmanager
def replacing(partner):
    """A server like the partner, on a port of its own."""
    async def listen():
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[str(partner.top / "host")],
            authorized_client_keys=str(partner.top / "authorized"),
            sftp_factory=lambda chan: Replacing(chan, str(partner.home)))

    async def close(server):
        server.close()
        await server.wait_closed()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = run(listen())
        yield server.sockets[0].getsockname()[1]
        run(close(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_rename_that_replaces(rig, partner):
    with replacing(partner) as port:
        code, found = probe(rig, partner, "in", port=port)
    assert code == 0, found
    assert found["in: no clobber"][0] == "note", found
    assert found["in: rename"][0] == "ok"
    is_untouched(partner)


def test_wrong_use(rig):
    for args, code, word in ((["test", "nobody"], 1, "no partner nobody"),
                             (["frob", "acme"], 2, "only list"),
                             (["show"], 2, "show|resume|test NAME"),
                             (["resume", "nobody"], 1, "no partner nobody"),
                             (["test"], 2, "partner test NAME"),
                             (["scan", "a", "b"], 2, "partner scan")):
        done = rig.mftctl("partner", *args, check=False)
        assert done.returncode == code and word in done.stderr, done
