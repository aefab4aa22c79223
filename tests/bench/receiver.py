# Part of mftd; see LICENSE.
"""OpenSSH's sshd on a loopback port, as a partner who takes files."""
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from rig import free_port, keygen

SSHD = "/usr/sbin/sshd"
START_S = 20
_CONFIG = """ListenAddress 127.0.0.1:{port}
HostKey {top}/host
AuthorizedKeysFile {top}/key.pub
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
"""
# sshd of root wants this directory: one that nobody else sees
_OWN_RUN = ("mount -t tmpfs -o mode=755 run /run && mkdir /run/sshd && "
            'exec "$@"')


class Partner:
    """`with Partner(directory) as partner`; the directory is made, and a
    new one for the files in another place if one is given.  cipher: sftp's,
    instead of its own choice."""

    def __init__(self, top, inbox=None, cipher=None):
        self.top = pathlib.Path(top)
        self.top.mkdir()
        self.inbox = pathlib.Path(tempfile.mkdtemp(prefix="mftd-inbox-",
                                                   dir=inbox or top))
        self.cipher = ["-c", cipher] if cipher else []
        self.port = free_port()
        self.user = pwd.getpwuid(0).pw_name
        self.host_key = keygen(self.top / "host")
        keygen(self.top / "key")
        (self.top / "known_hosts").write_text(
            f"[127.0.0.1]:{self.port} {self.host_key}\n")
        (self.top / "sshd_config").write_text(
            _CONFIG.format(port=self.port, top=self.top))
        self.sshd = None

    def __enter__(self):
        self.sshd = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _OWN_RUN, "sh", SSHD, "-D",
             "-e", "-f", self.top / "sshd_config"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    self.__exit__()
                    raise
                time.sleep(0.05)    # a refused connect is no event

    def __exit__(self, *_):
        self.sshd.terminate()
        self.sshd.wait()
        shutil.rmtree(self.inbox)

    def sftp(self, batch):
        """OpenSSH's client with a batch of commands."""
        subprocess.run(
            ["sftp", "-F", "none", "-o", "BatchMode=yes", "-o",
             f"UserKnownHostsFile={self.top}/known_hosts", "-o",
             "IdentitiesOnly=yes", "-i", self.top / "key", "-P",
             str(self.port), *self.cipher, "-b", "-",
             f"{self.user}@127.0.0.1"],
            input=batch, text=True, check=True, stdout=subprocess.DEVNULL)

    def clear(self):
        for path in self.inbox.iterdir():
            path.unlink()

    def objects(self, key_file):
        """As an entry of mft-objects(5)."""
        return (f"partners:\n  - name: acme\n    host: 127.0.0.1\n"
                f"    port: {self.port}\n    user: {self.user}\n"
                f"    key_file: {key_file}\n"
                f"    host_keys: [\"{self.host_key}\"]\n")
