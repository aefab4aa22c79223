# Part of mftd; see LICENSE.
"""A partner: OpenSSH's server on a loopback port, in a directory of its own.

It has mounts of its own, in which root has a password of the test, and PAM asks
for just that one.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import rig
from sshd import descendants, kill_and_wait

SERVER = "/usr/lib/openssh/sftp-server"
PASSWORD = "open sesame"
_SSHD = """ListenAddress 127.0.0.1:{port}
HostKey {top}/host_key
AuthorizedKeysFile {top}/key.pub
PidFile none
StrictModes no
UsePAM {pam}
PermitRootLogin yes
AuthenticationMethods {methods}
PasswordAuthentication {password}
KbdInteractiveAuthentication {questions}
LogLevel DEBUG1
SetEnv SHLVL=5
Subsystem sftp {top}/sftp
"""
# SHLVL above: bash, started by sshd, else reads the user's .bashrc
_SFTP = """#!/bin/sh
exec 2>>{top}/files.log
# shellcheck disable=SC2046
exec {server} -e -l INFO $(cat {top}/options) -d {top}/in
"""
_PAM = """auth required pam_unix.so
account required pam_permit.so
session required pam_permit.so
"""
_START = """set -e
mount -t tmpfs none /run
mkdir /run/sshd
mount --bind "$1/shadow" /etc/shadow
mount --bind "$1/pam.d" /etc/pam.d
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""


def crypt(password):
    return subprocess.run(["openssl", "passwd", "-6", "-stdin"],
                          input=password, text=True, check=True,
                          capture_output=True).stdout.strip()


class Partner:
    """`with Partner("password") as p`: a server that logs in by those
    methods."""

    def __init__(self, methods="publickey"):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="mftd-partner-",
                                                 dir=rig.TMP))
        self.top.chmod(0o755)
        self.port = rig.free_port()
        self.files = self.top / "in"
        for path in (self.files, self.top / "pam.d"):
            path.mkdir()
        self.host_key = rig.keygen(self.top / "host_key")
        self.key = self.top / "key"
        rig.keygen(self.key)
        self.key.chmod(0o644)   # mftd runs as somebody else
        (self.top / "shadow").write_text(
            f"root:{crypt(PASSWORD)}:19000:0:99999:7:::\n")
        (self.top / "pam.d/sshd").write_text(_PAM)
        asks = "keyboard-interactive" in methods
        (self.top / "sshd_config").write_text(_SSHD.format(
            top=self.top, port=self.port, methods=methods,
            pam="yes" if asks else "no",
            password="yes" if "password" in methods else "no",
            questions="yes" if asks else "no"))
        (self.top / "sftp").write_text(
            _SFTP.format(top=self.top, server=SERVER))
        (self.top / "sftp").chmod(0o755)
        (self.top / "options").touch()
        self.log = self.top / "log"
        self.files_log = self.top / "files.log"
        self.files_log.touch()
        self.server = None

    def __enter__(self):
        with open(self.log, "w", encoding="utf-8") as log:
            self.server = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "sh", "-c",
                 _START, "sh", self.top], stderr=log)
        self.wait_for(lambda: "Server listening" in self.said(), "it listens")
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait(20)
        shutil.rmtree(self.top)

    def options(self, *arguments):
        """Its servers' from now on, beside the usual."""
        (self.top / "options").write_text(" ".join(arguments))
        kill_and_wait(descendants(self.server.pid))

    def said(self):
        return self.log.read_text(errors="replace")

    def count(self, pattern):
        return len(re.findall(pattern, self.said()))

    def wait_for(self, predicate, what):
        deadline = time.monotonic() + rig.START_S
        while not predicate():
            if self.server.poll() is not None or \
                    time.monotonic() > deadline:
                raise AssertionError(f"not in time: {what}\n{self.said()}")
            time.sleep(0.05)

    def objects(self, alice, **more):
        """An objects file: uploads of alice go here."""
        partner = {"host": "127.0.0.1", "port": self.port, "user": "root",
                   "host_keys": f'["{self.host_key}"]', **more}
        lines = "".join(f"    {k}: {v}\n" for k, v in partner.items())
        return ("accounts:\n  - name: alice\n    volume: main\n"
                f"    root: alice\n    keys: [\"{alice}\"]\n"
                f"partners:\n  - name: acme\n{lines}"
                "routes:\n  - name: out\n    account: alice\n"
                "    partner: acme\n    settle_s: 0\n")
