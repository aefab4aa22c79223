# Part of mftd; see LICENSE.
"""A partner: OpenSSH's sshd on a loopback port, with its files in a directory
of its own, and an sftp-server that can be told to misbehave."""
import contextlib
import functools
import os
import pathlib
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from rig import free_port, keygen, send, TMP

SSHD = "/usr/sbin/sshd"
SERVER = "/usr/lib/openssh/sftp-server"
START_S = 20
_CONFIG = """ListenAddress 127.0.0.1:{port}
HostKey {top}/host
HostKey {top}/host-rsa
AuthorizedKeysFile {top}/authorized
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
LogLevel {level}
SetEnv SHLVL=5
Subsystem sftp {top}/sftp
"""
# SHLVL above: bash, started by sshd, else reads the user's .bashrc
_SFTP = """#!/bin/sh
exec 2>>{top}/log
if [ -s {top}/fault ]; then
	# shellcheck disable=SC2046
	exec strace -qqq -o {top}/strace.$$ $(cat {top}/fault) \\
	    {server} -e -l INFO $(cat {top}/options) -d {top}/home
fi
# shellcheck disable=SC2046
exec {server} -e -l INFO $(cat {top}/options) -d {top}/home
"""
# sshd of root wants this directory: one that nobody else sees
_OWN_RUN = ("mount -t tmpfs -o mode=755 run /run && mkdir /run/sshd && "
            'exec "$@"')


class Sshd:
    """`with Sshd() as partner`; what it takes is in partner.home."""

    def __init__(self, owner, level="ERROR"):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="mftd-sshd-", dir=TMP))
        self.top.chmod(0o755)
        self.home = self.top / "home"
        (self.home / "in").mkdir(parents=True)
        self.port = free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.host_key = keygen(self.top / "host")
        self.rsa_key, private = _rsa_key()
        (self.top / "host-rsa").touch(mode=0o600)
        (self.top / "host-rsa").write_text(private)
        self.key = self.top / "key"
        self.public = keygen(self.key)
        shutil.chown(self.key, owner)
        self.authorize(True)
        for name, text in (("sshd_config", _CONFIG), ("sftp", _SFTP),
                           ("fault", ""), ("options", ""), ("log", "")):
            (self.top / name).write_text(text.format(
                port=self.port, top=self.top, server=SERVER, level=level))
        (self.top / "sftp").chmod(0o755)
        self.sshd = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.top)

    def start(self):
        with open(self.top / "sshd.log", "ab") as log:
            self.sshd = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "sh",
                 "-c", _OWN_RUN, "sh", SSHD, "-D", "-e", "-f",
                 self.top / "sshd_config"],
                stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)    # a refused connect is no event

    def stop(self):
        """Ends it and what came of its connections."""
        send(self.sshd.pid, signal.SIGSTOP)     # it takes no further one
        left = list(descendants(self.sshd.pid))
        self.sshd.terminate()
        send(self.sshd.pid, signal.SIGCONT)
        self.sshd.wait()
        _kill([*left, *self._orphans()])

    def _orphans(self):
        """Servers whose connection ended while they were held."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                if f"\0{self.top}/home\0".encode() in text:
                    yield int(pid)

    def cut(self):
        """Ends all connections: their servers do no more, also those whose
        client is gone by now."""
        if self.sshd is not None:
            kill_and_wait(descendants(self.sshd.pid))
            kill_and_wait(self._orphans())

    def authorize(self, yes):
        """Whether mftd's key may log in; if not, nobody stays."""
        (self.top / "authorized").write_text(self.public + "\n" if yes
                                             else "")
        if not yes:
            self.cut()

    def fault(self, *arguments):
        """What goes wrong in its next servers: strace's arguments.  A deliver
        that lingers does not keep one from before."""
        (self.top / "fault").write_text(" ".join(arguments))
        if arguments:
            self.cut()

    def options(self, *arguments):
        """Its servers' from now on, beside the usual."""
        (self.top / "options").write_text(" ".join(arguments))
        self.cut()

    def servers(self):
        """Its sftp-servers."""
        found = []
        for pid in descendants(self.sshd.pid):
            with contextlib.suppress(OSError):
                comm = pathlib.Path(f"/proc/{pid}/comm").read_text()
                if comm == "sftp-server\n":
                    found.append(pid)
        return found

    def calls(self):
        """How many connections there were; with the level VERBOSE."""
        return (self.top / "sshd.log").read_text().count("Connection from")

    def change_host_key(self):
        """Its next start has another one."""
        (self.top / "host").unlink()
        self.host_key = keygen(self.top / "host")

    def names(self, directory="in"):
        return sorted(os.listdir(self.home / directory))

    def renames(self):
        """The new name of each rename that it was asked for."""
        return re.findall(r'rename old "[^"]*" new "([^"]*)"',
                          (self.top / "log").read_text())

    def objects(self, **more):
        """This partner in an objects file."""
        keys = more.get("host_keys", [self.host_key])
        others = more.get("other_hosts", [])
        return (f"  - name: {more.get('name', 'acme')}\n    host: "
                f"{more.get('host', '127.0.0.1')}\n"
                f"    port: {more.get('port', self.port)}\n"
                f"    user: {self.user}\n"
                f"    key_file: {more.get('key', self.key)}\n"
                f"    host_keys: [{', '.join(map(repr, keys))}]\n"
                + (f"    other_hosts: {others}\n" if others else ""))


@functools.cache
def _rsa_key():
    """(public, private): one for all, as it takes long to find."""
    with tempfile.TemporaryDirectory(dir=TMP) as top:
        path = pathlib.Path(top) / "key"
        return keygen(path, "rsa"), path.read_text()


def _kill(pids):
    for pid in pids:
        send(pid)


def kill_and_wait(pids):
    """Until they are gone."""
    fds = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            fds.append(os.pidfd_open(pid))
            signal.pidfd_send_signal(fds[-1], signal.SIGKILL)
    for fd in fds:
        select.select([fd], [], [])
        os.close(fd)


def descendants(pid):
    """The processes that it started, and they, and so on."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        for child in map(int, text.split()):
            yield from descendants(child)
            yield child
