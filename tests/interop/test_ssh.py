# Part of mftd; see LICENSE.
"""SSH as clients meet it: what is refused and how, channels, host keys, time."""
import asyncio
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import asyncssh
import paramiko
import pytest
from rig import Rig, keygen, START_S


@pytest.fixture(name="rig", scope="module")
def serving():
    with Rig() as rig:
        yield rig.up()


def until(what, predicate):
    deadline = time.monotonic() + START_S
    while not predicate():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


# ---- what there is not

def test_commands_and_shells_say_what_there_is(rig):
    for command in (["id"], []):
        done = rig.ssh(*command)
        assert done.returncode == 1
        assert "SFTP only" in done.stderr
        assert done.stdout == ""


def test_scp_of_old_is_told_what_to_use(rig, tmp_path):
    (tmp_path / "f").write_text("x")
    options = [*rig.ssh_options(), "-P", str(rig.port)]
    for ends in ([tmp_path / "f", "alice@127.0.0.1:f"],
                 ["alice@127.0.0.1:f", tmp_path / "g"]):
        done = subprocess.run(
            ["scp", "-O", *options, *ends], text=True, capture_output=True,
            timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode != 0
        assert "use scp without -O" in done.stdout + done.stderr
    assert not (rig.volume / "alice/f").exists()


@pytest.mark.parametrize("options, words", [
    (["-s"], "subsystem request failed"), (["-tt"], "PTY allocation"),
])
def test_other_requests(rig, options, words):
    done = subprocess.run(
        ["ssh", *rig.ssh_options(), "-p", str(rig.port), *options,
         "alice@127.0.0.1", "netconf"], text=True, capture_output=True,
        timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert words in done.stderr


def transport(rig):
    t = paramiko.Transport(("127.0.0.1", rig.port))
    t.connect(username="alice", pkey=paramiko.Ed25519Key(
        filename=str(rig.top / "etc/alice")))
    return t


def test_no_forwarding(rig):
    """Neither way, neither TCP nor a socket; what is there goes on."""
    with contextlib.closing(transport(rig)) as t, socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen()
        for kind, dest in (
                ("direct-tcpip", there.getsockname()),
                ("forwarded-tcpip", there.getsockname())):
            with pytest.raises(paramiko.ChannelException):
                t.open_channel(kind, dest, ("127.0.0.1", 1), timeout=20)
        for kind in ("x11", "auth-agent@openssh.com",
                     "direct-streamlocal@openssh.com"):
            with pytest.raises((paramiko.ChannelException,
                                paramiko.SSHException)):
                t.open_channel(kind, ("127.0.0.1", 1), ("127.0.0.1", 1),
                               timeout=20)
        with pytest.raises(paramiko.SSHException):
            t.request_port_forward("127.0.0.1", 0)
        assert select.select([there], [], [], 0)[0] == []
        assert t.open_sftp_client().listdir("/") is not None


def test_no_terminal_display_or_other_subsystem(rig):
    with contextlib.closing(transport(rig)) as t:
        for request in (lambda c: c.get_pty(),
                        lambda c: c.request_x11(handler=lambda *_: None),
                        lambda c: c.invoke_subsystem("netconf")):
            c = t.open_session()
            with pytest.raises(paramiko.SSHException):
                request(c)
            c.close()


# ---- channels

def test_ten_channels_and_no_more(rig):
    with contextlib.closing(transport(rig)) as t:
        clients = [paramiko.SFTPClient.from_transport(t) for _ in range(10)]
        with pytest.raises(paramiko.ChannelException):
            t.open_session(timeout=20)
        for i, c in enumerate(clients):
            c.mkdir(f"/c{i}")
        clients.pop().close()

        def room():
            with contextlib.suppress(paramiko.ChannelException):
                clients.append(paramiko.SFTPClient.from_transport(t))
            return len(clients) == 10
        until("a slot that came free is used again", room)
        for i, c in enumerate(clients):
            c.rmdir(f"/c{i}")


class Channel(paramiko.Channel):
    """One whose opening says what paramiko would not say."""

    @classmethod
    def opened(cls, t, window, maximum):
        with t.lock:
            number = t._next_channel()
        self = cls(number)
        t._channels.put(number, self)
        t.channel_events[number] = event = threading.Event()
        t.channels_seen[number] = True
        self._set_transport(t)
        self._set_window(1 << 20, 32768)
        m = paramiko.Message()
        m.add_byte(paramiko.common.cMSG_CHANNEL_OPEN)
        m.add_string("session")
        m.add_int(number)
        m.add_int(window)
        m.add_int(maximum)
        t._send_user_message(m)
        assert event.wait(START_S)
        return self if number in t.channels_seen and \
            t._channels.get(number) is not None else None


@pytest.mark.parametrize("maximum", [0, 1, 9, 10, 11, 1023, 1024, 1 << 31])
def test_packets_that_are_too_small(rig, maximum):
    """libssh alone would send packets of nothing for ever."""
    (rig.volume / "alice/some").write_bytes(os.urandom(100000))
    with contextlib.closing(transport(rig)) as t:
        channel = Channel.opened(t, 1 << 30, maximum)
        assert (channel is not None) == (maximum >= 1024)
        if channel is None:
            channel = t.open_session(timeout=START_S)
        channel.settimeout(START_S)
        channel.invoke_subsystem("sftp")
        with contextlib.closing(paramiko.SFTPClient(channel)) as sftp, \
                sftp.open("/some") as f:
            assert f.read() == (rig.volume / "alice/some").read_bytes()


def test_busy_channel_starves_no_other(rig):
    big = rig.volume / "alice/big"
    with open(big, "wb") as f:
        f.truncate(1 << 30)
    shutil.chown(big, "nobody")
    with contextlib.closing(transport(rig)) as t:
        busy = paramiko.SFTPClient.from_transport(t)
        f = busy.open("/big")
        f.prefetch(256 << 20)
        other = paramiko.SFTPClient.from_transport(t)
        other.get_channel().settimeout(START_S)
        for _ in range(5):
            assert other.stat("/big").st_size == 1 << 30
        f.seek((256 << 20) - 1)
        assert f.read(1) == b"\0"
    big.unlink()


# nine answers are held without input having to wait for them
READ_BYTES = 225000


def test_closed_channel_whose_answers_nobody_took(rig):
    """It gives its place back when what it asked for is done."""
    with open(rig.volume / "alice/big", "wb") as f:
        f.truncate(60 << 20)
    shutil.chown(rig.volume / "alice/big", "nobody")
    with contextlib.closing(transport(rig)) as t:
        for i in range(12):
            channel = None

            def opened():
                nonlocal channel
                with contextlib.suppress(paramiko.ChannelException):
                    channel = t.open_session(window_size=200000,
                                             timeout=START_S)
                return channel is not None
            until("there is room for a channel", opened)
            channel.invoke_subsystem("sftp")
            sftp = paramiko.SFTPClient(channel)
            read, source = sftp.open("/big"), sftp.open("/big")
            target = sftp.open(f"/copy{i}", "w")
            for number in range(12):
                m = paramiko.Message()
                m.add_int(1000 + number)
                if number == 9:
                    m.add_string("copy-data")
                m.add_string((source if number == 9 else read).handle)
                m.add_int64(0)
                if number == 9:
                    m.add_int64(0)
                    m.add_string(target.handle)
                    m.add_int64(0)
                else:
                    m.add_int(READ_BYTES)
                sftp._send_packet(paramiko.sftp.CMD_EXTENDED if number == 9
                                  else paramiko.sftp.CMD_READ, m)
            channel.close()
        sftp = paramiko.SFTPClient.from_transport(t)
        for i in range(12):
            def removed(i=i):
                with contextlib.suppress(OSError):
                    sftp.remove(f"/copy{i}")
                    return True
                return False
            until("what was begun lies dormant", removed)
        sftp.remove("/big")


def test_control_master(rig, tmp_path):
    control = ["-o", f"ControlPath={tmp_path}/c"]
    with subprocess.Popen(
            ["ssh", *rig.ssh_options(), *control, "-M", "-N", "-p",
             str(rig.port), "alice@127.0.0.1"]) as master:
        try:
            until("the master's socket",
                  lambda: (tmp_path / "c").exists())
            done = [subprocess.Popen(
                ["sftp", *rig.ssh_options(), *control, "-P", str(rig.port),
                 "-b", "-", "alice@127.0.0.1"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True) for _ in range(10)]
            for p in done:
                out, _ = p.communicate("pwd\n", timeout=60)
                assert p.returncode == 0 and "/" in out
        finally:
            master.terminate()


# ---- host keys

def known(rig, path):
    return {line.split(" ", 1)[1].strip()
            for line in path.read_text().splitlines() if line}


def test_client_learns_the_next_host_key(tmp_path):
    with Rig() as rig:
        files = {}
        for kind in ("ecdsa", "rsa"):
            path = rig.top / f"etc/next_{kind}"
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C",
                            "", "-f", path], check=True)
            shutil.chown(path, "nobody")
            files[kind] = " ".join(
                path.with_suffix(".pub").read_text().split()[:2])
        ours = tmp_path / "known_hosts"

        def login():
            done = rig.sftp("pwd\n", extra=[
                "-o", "UpdateHostKeys=yes", "-o", f"UserKnownHostsFile={ours}"])
            assert done.returncode == 0, done.stderr
        rig.configure("next_host_keys: "
                      f"[{rig.top}/etc/next_ecdsa, {rig.top}/etc/next_rsa]")
        rig.up()
        ours.write_text((rig.top / "etc/known_hosts").read_text())
        login()
        assert known(rig, ours) == {rig.host_key, files["ecdsa"],
                                    files["rsa"]}
        # the rotation: the next key is the one; the old one is forgotten
        rig.stop()
        text = rig.conf.read_text()
        text = re.sub(r"next_host_keys:.*\n", "", text)
        rig.conf.write_text(text.replace(
            f"host_keys: [{rig.top}/etc/host_key]",
            f"host_keys: [{rig.top}/etc/next_ecdsa]"))
        (rig.top / "etc/known_hosts").write_text(
            f"[127.0.0.1]:{rig.port} {files['ecdsa']}\n")
        rig.start()
        login()
        assert known(rig, ours) == {files["ecdsa"]}


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_an_rsa_key_after_an_rsa_key(tmp_path, algorithm):
    """The proof has to be made with the algorithm of the key exchange."""
    with Rig() as rig:
        public = {}
        for name in ("old", "new"):
            path = rig.top / f"etc/{name}"
            subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-C",
                            "", "-f", path], check=True)
            shutil.chown(path, "nobody")
            public[name] = " ".join(
                path.with_suffix(".pub").read_text().split()[:2])
        rig.conf.write_text(rig.conf.read_text().replace(
            f"host_keys: [{rig.top}/etc/host_key]",
            f"host_keys: [{rig.top}/etc/host_key, {rig.top}/etc/old]\n"
            f"next_host_keys: [{rig.top}/etc/new]"))
        rig.up()
        ours = tmp_path / "known_hosts"
        ours.write_text(f"[127.0.0.1]:{rig.port} {public['old']}\n")
        done = rig.sftp("pwd\n", extra=[
            "-o", f"HostKeyAlgorithms={algorithm}", "-o",
            "UpdateHostKeys=yes", "-o", f"UserKnownHostsFile={ours}"])
        assert done.returncode == 0, done.stderr
        assert known(rig, ours) == set(public.values())


def test_several_host_keys_and_what_the_log_says(tmp_path):
    with Rig() as rig:
        kinds = {"rsa": "rsa-sha2-512", "ecdsa": "ecdsa-sha2-nistp256",
                 "ed25519": "ssh-ed25519"}
        prints = {}
        for kind in kinds:
            path = rig.top / f"etc/one_{kind}"
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f",
                            path], check=True)
            shutil.chown(path, "nobody")
            prints[kind] = subprocess.run(
                ["ssh-keygen", "-l", "-f", path], check=True,
                capture_output=True, text=True).stdout.split()[1]
        text = rig.conf.read_text()
        rig.conf.write_text(text.replace(
            f"host_keys: [{rig.top}/etc/host_key]",
            f"host_keys: [{rig.top}/etc/one_rsa, {rig.top}/etc/one_ecdsa]\n"
            f"next_host_keys: [{rig.top}/etc/one_ed25519]"))
        (rig.top / "etc/known_hosts").write_text("".join(
            f"[127.0.0.1]:{rig.port} "
            + " ".join((rig.top / f"etc/one_{kind}.pub").read_text()
                       .split()[:2]) + "\n" for kind in kinds))
        rig.up()
        for kind, algorithm in kinds.items():
            done = rig.sftp("pwd\n", extra=[
                "-o", f"HostKeyAlgorithms={algorithm}"])
            assert (done.returncode == 0) == (kind != "ed25519"), kind
        log = rig.log.read_text()
        for kind, text in prints.items():
            word = "next host key" if kind == "ed25519" else ": host key"
            assert any(word in line and line.endswith(text)
                       for line in log.splitlines()), (kind, text)


# ---- rekeying, compression, tampering

def test_rekeying(rig, tmp_path):
    (tmp_path / "r").write_bytes(os.urandom(4 << 20))
    done = rig.sftp(f"put {tmp_path}/r r\nget r {tmp_path}/back\n",
                    extra=["-o", "RekeyLimit=512K", "-v"])
    assert done.returncode == 0
    assert (tmp_path / "back").read_bytes() == (tmp_path / "r").read_bytes()
    assert done.stderr.count("SSH2_MSG_NEWKEYS received") > 4


def test_client_that_sends_on_while_it_rekeys(rig, tmp_path):
    """asyncssh does, at each GiB."""
    data = os.urandom(3 << 20)
    (tmp_path / "r").write_bytes(data)

    async def there_and_back():
        async with asyncssh.connect(
                "127.0.0.1", rig.port, username="alice", known_hosts=None,
                client_keys=[str(rig.top / "etc/alice")],
                rekey_bytes=100000) as connection, \
                connection.start_sftp_client() as sftp:
            await sftp.put(str(tmp_path / "r"), "/r")
            await sftp.get("/r", str(tmp_path / "back"))
    asyncio.run(asyncio.wait_for(there_and_back(), 6 * START_S))
    assert (rig.volume / "alice/r").read_bytes() == data
    assert (tmp_path / "back").read_bytes() == data


@pytest.mark.parametrize("kind", [81, 90, 94, 96, 97, 98])
def test_whatever_a_client_sends_while_it_rekeys(kind):
    """asyncssh asks for new keys just before any packet, and sends it then."""
    with Rig() as rig:
        rig.configure("keepalive_s: 1")
        rig.up()
        seen = []

        async def use():
            async with asyncssh.connect(
                    "127.0.0.1", rig.port, username="alice", known_hosts=None,
                    client_keys=[str(rig.top / "etc/alice")],
                    rekey_bytes=1 << 40) as connection:
                send = connection.send_packet

                def sending(number, *args, **kwargs):
                    if number == kind:
                        connection._rekey_bytes = 0     # now
                        seen.append(number)
                    send(number, *args, **kwargs)
                    connection._rekey_bytes = 1 << 40
                connection.send_packet = sending
                for _ in range(2):
                    async with connection.start_sftp_client() as sftp:
                        await sftp.listdir("/")
                        # the answer to our keepalive
                        while kind == 81 and not seen:
                            await asyncio.sleep(0.1)
                async with connection.start_sftp_client() as sftp:
                    await sftp.mkdir("/d")
                    await sftp.rmdir("/d")
        asyncio.run(asyncio.wait_for(use(), 6 * START_S))
        assert seen


def test_no_compression_and_no_old_algorithms(rig):
    done = rig.sftp("pwd\n", extra=["-o", "Compression=yes", "-v"])
    assert "compression: none" in done.stderr
    for option in ("KexAlgorithms=diffie-hellman-group14-sha1",
                   "Ciphers=aes128-cbc", "MACs=hmac-sha1",
                   "HostKeyAlgorithms=ssh-rsa"):
        extra = ["-o", option]
        if option.startswith("MACs"):   # GCM has none
            extra += ["-o", "Ciphers=aes128-ctr"]
        done = rig.sftp("pwd\n", extra=extra)
        assert done.returncode != 0, option
        assert "no matching" in done.stderr.lower(), option


class Tampering(threading.Thread):
    """Passes a connection on, with one bit turned in what the client sends
    behind so many bytes."""

    def __init__(self, port, at):
        super().__init__()
        self.at, self.port = at, port
        self.listener = socket.create_server(("127.0.0.1", 0))

    def run(self):
        here, _ = self.listener.accept()
        with here, socket.create_connection(("127.0.0.1", self.port)) as there:
            passed = 0
            while True:
                for s in select.select([here, there], [], [], START_S)[0]:
                    data = bytearray(s.recv(65536))
                    if not data:
                        return
                    if s is here:
                        k = self.at - passed
                        if 0 <= k < len(data):
                            data[k] ^= 1
                        passed += len(data)
                    with contextlib.suppress(OSError):
                        (there if s is here else here).sendall(data)


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com",
                                    "chacha20-poly1305@openssh.com",
                                    "aes128-ctr"])
def test_tampering_ends_the_connection(rig, tmp_path, cipher):
    (tmp_path / "t").write_bytes(b"t" * 200000)
    proxy = Tampering(rig.port, 100000)
    proxy.start()
    port = proxy.listener.getsockname()[1]
    done = subprocess.run(
        ["sftp", *rig.ssh_options(), "-o", "StrictHostKeyChecking=no", "-o",
         f"UserKnownHostsFile={tmp_path}/k", "-o", f"Ciphers={cipher}", "-P",
         str(port), "-b", "-", "alice@127.0.0.1"],
        input=f"put {tmp_path}/t tampered\n", text=True,
        capture_output=True, timeout=60, check=False)
    proxy.join()
    proxy.listener.close()
    assert done.returncode != 0
    assert not (rig.volume / "alice/tampered").exists()


# ---- login attempts

def test_tries_are_counted():
    with Rig() as rig:
        rig.configure("login_tries: 2")
        rig.up()
        t = paramiko.Transport(("127.0.0.1", rig.port))
        t.start_client(timeout=20)
        for _ in range(2):
            with pytest.raises(paramiko.SSHException):
                t.auth_password("alice", "wrong", fallback=False)
        until("the connection is closed", lambda: not t.is_active())
        t.close()


# ---- time

def test_grace_also_cuts_a_blocked_key_exchange():
    with Rig() as rig:
        rig.configure("login_grace_s: 1")
        rig.up()
        silent = socket.create_connection(("127.0.0.1", rig.port))
        halfway = socket.create_connection(("127.0.0.1", rig.port))
        halfway.sendall(b"SSH-2.0-x\r\n\0\0\1\0")
        waiting = paramiko.Transport(("127.0.0.1", rig.port))
        waiting.start_client(timeout=20)
        for s in (silent, halfway):
            s.settimeout(START_S)
            with contextlib.suppress(ConnectionError):
                while s.recv(4096):
                    pass
            s.close()
        until("cut while it could log in", lambda: not waiting.is_active())
        until("said in the log", lambda: len(
            rig.lines("not logged in within 1 s")) == 3)
        # who is in stays
        assert rig.sftp("!sleep 1.5\npwd\n").returncode == 0


def test_idle_session_is_ended():
    with Rig() as rig:
        rig.configure("idle_timeout_s: 2")
        rig.up()
        with contextlib.closing(transport(rig)) as t:
            sftp = t.open_sftp_client()
            end = time.monotonic() + 4
            while time.monotonic() < end:   # busy now and then: it stays
                sftp.listdir("/")
                time.sleep(0.5)
            assert t.is_active()
            until("it ends", lambda: not t.is_active())
        until("said in the log", lambda: rig.lines("idle for too long"))


def test_client_that_does_not_take_its_answers_is_idle():
    with Rig() as rig:
        rig.configure("idle_timeout_s: 2", "keepalive_s: 1",
                      "keepalive_count: 100")
        rig.up()
        with contextlib.closing(transport(rig)) as t:
            channel = Channel.opened(t, 0, 32768)
            channel.invoke_subsystem("sftp")
            channel.sendall(b"\0\0\0\5\1\0\0\0\3")
            until("it ends", lambda: not t.is_active())
        until("said in the log", lambda: rig.lines("idle for too long"))


def test_client_without_life_is_cut():
    with Rig() as rig:
        rig.configure("keepalive_s: 1", "keepalive_count: 2")
        rig.up()
        alive = subprocess.Popen(
            ["sftp", *rig.ssh_options(), "-P", str(rig.port),
             "alice@127.0.0.1"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with contextlib.closing(transport(rig)) as t:
            t.open_sftp_client()
            # paramiko's thread is what answers: a process that is stopped
            stopped = subprocess.Popen(
                ["ssh", *rig.ssh_options(), "-N", "-p", str(rig.port),
                 "alice@127.0.0.1"], stdin=subprocess.DEVNULL)
            try:
                rig.wait_status(lambda s: len(s["sessions"]) == 3, "three")
                stopped.send_signal(signal.SIGSTOP)
                rig.wait_status(lambda s: len(s["sessions"]) == 2, "it is cut")
                assert rig.lines("gives no sign of life")
                assert t.is_active() and alive.poll() is None
            finally:
                stopped.kill()
                stopped.wait()
                alive.kill()
                alive.communicate()


def test_client_that_ignores_its_window_loses_the_channel():
    """What it may not send would have to be kept for it."""
    with Rig() as rig:
        rig.up("accounts:\n  - name: alice\n    volume: main\n"
               f"    root: alice\n    keys: [\"{rig.alice}\"]\n"
               "    bandwidth: {in: 20K}\n")
        # a WRITE, of no file: what is none would end the channel, too
        packet = (b"\0\0\x80\0\6" + bytes(4) + b"\0\0\0\4none" + bytes(8)
                  + (32743).to_bytes(4, "big") + os.urandom(32743))
        with contextlib.closing(transport(rig)) as t:
            channel = t.open_session(timeout=START_S)
            channel.invoke_subsystem("sftp")
            for _ in range(64 << 5):        # 64 MiB
                m = paramiko.Message()
                m.add_byte(paramiko.common.cMSG_CHANNEL_DATA)
                m.add_int(channel.remote_chanid)
                m.add_string(packet)
                t._send_user_message(m)
                if channel.closed:
                    break
            until("it is closed", lambda: channel.closed)
            # and the session goes on
            with contextlib.closing(t.open_session(timeout=START_S)):
                pass
        assert rig.lines("the client ignores its channel's window")


def test_bandwidth():
    """A lower bound of time: what is left behind the first second's burst."""
    rate, size = 400000, 1000000
    with Rig() as rig:
        rig.up("accounts:\n  - name: alice\n    volume: main\n"
               f"    root: alice\n    keys: [\"{rig.alice}\"]\n"
               f"    bandwidth: {{in: {rate}, out: {rate}}}\n")
        path = rig.top / "f"
        path.write_bytes(os.urandom(size))
        for batch in (f"put {path} f\n", f"get f {rig.top}/back\n"):
            began = time.monotonic()
            assert rig.sftp(batch).returncode == 0
            assert time.monotonic() - began > (size - rate) / rate
        assert (rig.top / "back").read_bytes() == path.read_bytes()
