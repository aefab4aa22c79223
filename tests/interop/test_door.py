# Part of mftd; see LICENSE.
"""Who is let in: PROXY headers, login grace, early drop, bans, sessions of an
account.  Sources are addresses of 127.0.0.0/8, and what balancers say."""
import contextlib
import json
import re
import shutil
import socket
import subprocess
import time

import pytest

import rig

BALANCER = "127.0.0.9"
WAIT_S = 30
V2 = b"\r\n\r\n\0\r\nQUIT\n"


@contextlib.contextmanager
def daemon(extra="", objects=None, proxy=True):
    """A standalone daemon with more in its configuration."""
    with rig.Rig() as r:
        if proxy:
            extra += f"proxy_from: [{BALANCER}]\n"
        r.conf.write_text(r.conf.read_text() + extra)
        r.up(objects(r) if objects else None)
        yield r


def connect(r, source, first=b""):
    s = socket.create_connection(("127.0.0.1", r.port), timeout=WAIT_S,
                                 source_address=(source, 0))
    with contextlib.suppress(OSError):
        s.sendall(first)
    return s


def proxied(r, peer, first=b""):
    """A connection of the balancer for that client."""
    kind, to = ("TCP6", "::1") if ":" in peer else ("TCP4", "127.0.0.1")
    return connect(r, BALANCER,
                   f"PROXY {kind} {peer} {to} 4711 22\r\n".encode() + first)


def greeted(s):
    """Whether the server says its banner, else closes."""
    try:
        return s.recv(4) == b"SSH-"
    except ConnectionResetError:
        return False


def ended(s):
    """Waits for the end of the connection."""
    with contextlib.suppress(ConnectionResetError):
        while s.recv(65536):
            pass
    s.close()
    return True


def garbage(make):
    """A client that is no SSH; until the server has ended it."""
    s = make(b"SSH-2.0-x\r\n" + b"\xff" * 64)
    return ended(s)


def until(check, what, r):
    deadline = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < deadline, f"{what}\n{r.log_tail()}"
        time.sleep(0.02)    # the log and other processes are no event


def bans(r):
    done = r.mftctl("-j", "ban", "list")
    return [b["net"] for b in json.loads(done.stdout)["bans"]]


def door(r):
    return json.loads(r.mftctl("-j", "status").stdout)["door"]


def is_let_in(make):
    with make() as s:
        return greeted(s)


# ---- PROXY

@pytest.fixture(name="haproxy")
def _haproxy():
    """start(rig, option): HAProxy before the daemon; its port."""
    running = []

    def start(r, option):
        port = rig.free_port()
        conf = r.top / f"etc/haproxy-{option}.cfg"
        conf.write_text(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n"
            " timeout server 60s\n"
            f"frontend f\n bind 127.0.0.1:{port}\n default_backend b\n"
            f"backend b\n source {BALANCER}\n"
            " option tcp-check\n tcp-check expect rstring ^SSH-2.0-\n"
            f" server s 127.0.0.1:{r.port} check inter 200ms {option}\n")
        running.append(subprocess.Popen(
            [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f",
             conf], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(WAIT_S)


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2"])
def test_haproxy(haproxy, option):
    """Its health checks pass, and the log knows the client, not it."""
    with daemon() as r:
        port = haproxy(r, option)

        def sftp():
            return subprocess.run(
                ["sftp", *r.ssh_options(), "-o", "BindAddress=127.0.0.5",
                 "-o", f"HostKeyAlias=[127.0.0.1]:{r.port}", "-P", str(port),
                 "-b", "-", "alice@127.0.0.1"], input="pwd\n", text=True,
                capture_output=True, timeout=60, check=False)

        until(lambda: sftp().returncode == 0, "no login", r)
        assert r.lines(r"account=alice peer=127\.0\.0\.5:\d+ publickey acc")
        assert not r.lines(rf"account=alice peer={BALANCER}:")
        # of several checks each got its banner (else the server were down)
        before = door(r)["accepted"]
        until(lambda: door(r)["accepted"] > before + 3, "no checks", r)
        assert sftp().returncode == 0
        assert door(r)["turned_away"]["proxy"] == 0
        assert not bans(r)


def test_balancers_must_say_proxy():
    with daemon() as r:
        with connect(r, BALANCER, b"SSH-2.0-x\r\n") as s:
            assert not greeted(s)
        with connect(r, BALANCER, V2 + b"\x20\0\0\0") as s:   # LOCAL
            assert greeted(s)
        # a header in pieces holds nobody up
        with connect(r, BALANCER, V2[:5]) as slow:
            assert is_let_in(lambda: connect(r, "127.0.0.2"))
            slow.sendall(V2[5:] + b"\x21\x11\0\x0c")
            slow.sendall(bytes([203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 0,
                                22]))
            assert greeted(slow)
        until(lambda: door(r)["turned_away"]["proxy"] == 1, "no count", r)


def test_others_may_not_say_proxy():
    """It is a bad banner then: no login comes of it, nobody is believed."""
    with daemon() as r:
        s = connect(r, "127.0.0.2",
                    b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 22\r\n")
        assert greeted(s)
        assert ended(s)
        until(lambda: r.lines(r"no login from 127\.0\.0\.2:"), "no end", r)
        assert not r.lines(r"peer=203\.0\.113\.7")


# ---- login grace, early drop

def test_grace():
    """The silent one, the one that stops in key exchange, the trickler."""
    with daemon("login_grace_s: 2\nban: {failures: 0}\n") as r:
        silent = connect(r, "127.0.0.2")
        halfway = connect(r, "127.0.0.2", b"SSH-2.0-x\r\n\0\0\1\x2c\x08\x14")
        trickle = connect(r, "127.0.0.2")
        trickle.settimeout(0.05)
        deadline = time.monotonic() + WAIT_S
        with contextlib.suppress(ConnectionError):
            for byte in b"SSH-2.0-" + b"x" * 10000:
                trickle.send(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if trickle.recv(4096) == b"":
                        break
                assert time.monotonic() < deadline
        trickle.close()
        assert ended(silent)
        assert ended(halfway)
        until(lambda: len(r.lines(r"not logged in within 2 s")) == 3,
              "not three", r)


def test_startups_of_one_source():
    """The client's address counts, not the balancer's."""
    with daemon("max_startups_per_source: 2\n") as r, \
            contextlib.ExitStack() as held:
        for _ in range(2):
            assert greeted(held.enter_context(proxied(r, "203.0.113.7")))
        assert not is_let_in(lambda: proxied(r, "203.0.113.7"))
        assert is_let_in(lambda: proxied(r, "203.0.113.8"))
        # a /64 is one source
        for i in range(2):
            assert greeted(held.enter_context(
                proxied(r, f"2001:db8::{i + 1}")))
        assert not is_let_in(lambda: proxied(r, "2001:db8::ffff:1"))
        assert is_let_in(lambda: proxied(r, "2001:db8:0:1::1"))


def test_startups_of_all():
    with daemon("max_startups: \"2:100:2\"\n") as r, \
            contextlib.ExitStack() as held:
        until(lambda: door(r)["starting"] == 0, "rig's login", r)
        for i in range(2):
            assert greeted(held.enter_context(connect(r, f"127.0.0.{i + 2}")))
        assert not is_let_in(lambda: connect(r, "127.0.0.4"))
        held.pop_all().close()
        until(lambda: is_let_in(lambda: connect(r, "127.0.0.4")), "full", r)
        until(lambda: door(r)["turned_away"]["startups"] >= 1, "count", r)


# ---- bans

def test_ban_and_its_end():
    """Failures keep a source out, and no other; a word lets it in; a restart
    does not."""
    with daemon("ban: {failures: 3, window_s: 600, time_s: 600}\n") as r:
        def bad(first=b""):
            return connect(r, "127.0.0.3", first)

        for _ in range(2):
            garbage(bad)
        until(lambda: len(r.lines(r"no login from 127\.0\.0\.3")) == 2, "", r)
        assert is_let_in(bad)
        assert not bans(r)
        # words that libssh itself has for a client that merely went
        with bad(b"GET /disconnect/reset HTTP/1.0\r\n\r\n") as s:
            ended(s)
        until(lambda: bans(r) == ["127.0.0.3"], "no ban", r)
        until(lambda: not is_let_in(bad), "still let in", r)
        assert is_let_in(lambda: connect(r, "127.0.0.4"))
        until(lambda: door(r)["turned_away"]["banned"] >= 1, "no count", r)
        assert door(r)["bans"] == 1

        file = r.top / "state/bans"
        until(lambda: file.exists() and "127.0.0.3" in file.read_text(),
              "not written", r)
        r.stop()
        r.start()
        assert bans(r) == ["127.0.0.3"]
        until(lambda: not is_let_in(bad), "let in after the restart", r)

        r.mftctl("ban", "remove", "127.0.0.3")
        until(lambda: is_let_in(bad), "not let in again", r)
        assert not bans(r)
        assert r.mftctl("ban", "remove", "127.0.0.3",
                        check=False).returncode == 1


def test_ban_by_hand_expires():
    with daemon() as r:
        r.mftctl("ban", "add", "127.0.0.3", 2)
        until(lambda: not is_let_in(lambda: connect(r, "127.0.0.3")), "", r)
        until(lambda: is_let_in(lambda: connect(r, "127.0.0.3")), "stays", r)
        assert not bans(r)
        for wrong in (("add", "127.0.0.300"), ("add", "0.0.0.0/0"),
                      ("add", "127.0.0.3", "0"), ("add", "127.0.0.3", "1x"),
                      ("remove", "x")):
            assert r.mftctl("ban", *wrong, check=False).returncode == 1


def test_ban_behind_a_balancer():
    """The client's /64 is kept out; never the balancer itself."""
    with daemon("ban: {failures: 2}\n") as r:
        for i in range(2):
            garbage(lambda first, i=i: proxied(r, f"2001:db8::{i}1", first))
        until(lambda: bans(r) == ["2001:db8::/64"], "no ban", r)
        until(lambda: not is_let_in(lambda: proxied(r, "2001:db8::77")),
              "let in", r)
        assert is_let_in(lambda: proxied(r, "2001:db8:0:1::1"))
        for _ in range(4):
            garbage(lambda first: connect(
                r, BALANCER, V2 + b"\x20\0\0\0" + first))
        until(lambda: len(r.lines(rf"no login from {BALANCER}")) == 4, "", r)
        assert is_let_in(lambda: connect(r, BALANCER, V2 + b"\x20\0\0\0"))
        assert bans(r) == ["2001:db8::/64"]


def test_exempt_is_never_banned():
    with daemon("ban: {failures: 1}\nban_exempt: [127.0.0.3]\n") as r:
        garbage(lambda first: connect(r, "127.0.0.3", first))
        garbage(lambda first: connect(r, "127.0.0.4", first))
        until(lambda: bans(r) == ["127.0.0.4"], "no ban", r)
        assert is_let_in(lambda: connect(r, "127.0.0.3"))


def test_wrong_passwords_count():
    paramiko = pytest.importorskip("paramiko")
    with daemon("ban: {failures: 2}\n") as r:
        for _ in range(2):
            with paramiko.Transport(connect(r, "127.0.0.3")) as t:
                t.start_client(timeout=WAIT_S)
                with pytest.raises(paramiko.AuthenticationException):
                    t.auth_password("alice", "wrong")
        until(lambda: bans(r) == ["127.0.0.3"], "no ban", r)


# ---- sessions

def limited(r):
    return ("accounts:\n  - name: alice\n    volume: main\n    root: alice\n"
            f"    keys: [\"{r.alice}\"]\n    sessions: 2\n")


@contextlib.contextmanager
def session(r):
    """An sftp that stays logged in."""
    with subprocess.Popen(
            ["sftp", *r.ssh_options(), "-P", str(r.port), "-b", "-",
             "alice@127.0.0.1"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            text=False) as p:
        p.stdin.write(b"pwd\n")
        text = b""
        while b"Remote working" not in text:
            more = p.stdout.read(100)
            assert more, "no login"
            text += more
        yield p
        p.stdin.close()
        p.wait(WAIT_S)


def sessions(r):
    return json.loads(r.mftctl("-j", "session", "list").stdout)["sessions"]


def test_sessions_of_an_account():
    with daemon(objects=limited) as r:
        until(lambda: not sessions(r), "rig's login", r)
        with session(r):
            with session(r):
                done = r.sftp("pwd\n")
                assert done.returncode != 0
                assert "Permission denied" in done.stderr
                assert r.lines("too many sessions of this account")
                until(lambda: len(sessions(r)) == 2, "the third's row", r)
            until(lambda: r.sftp("pwd\n").returncode == 0, "stays full", r)


def test_session_end():
    with daemon() as r, session(r):
        until(lambda: len(sessions(r)) == 1, "rig's login", r)
        assert r.mftctl("session", "end", "solo-0-0",
                        check=False).returncode == 1
        r.mftctl("session", "end", sessions(r)[0]["id"])
        until(lambda: not sessions(r), "its row stays", r)
        assert re.search("ended by hand", r.log_tail())
