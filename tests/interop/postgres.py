# Part of mftd; see LICENSE.
"""A PostgreSQL server of its own, reachable by a socket in its directory."""
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from rig import TMP

USER = "postgres"       # the server refuses to run as root
START_S = 30


class Postgres:
    """`with Postgres() as server`; server.uri is an empty database."""

    def __init__(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="mftd-pg-", dir=TMP))
        self.top.chmod(0o755)
        who = pwd.getpwnam(USER)
        shutil.chown(self.top, who.pw_uid, who.pw_gid)
        self.who = {"user": who.pw_uid, "group": who.pw_gid,
                    "extra_groups": [], "cwd": self.top}
        self.bin = pathlib.Path(subprocess.run(
            ["pg_config", "--bindir"], check=True, text=True,
            capture_output=True).stdout.strip())
        self.uri = f"postgresql://mft@/mft?host={self.top}"
        self.server = None

    def __enter__(self):
        self.run("initdb", "-D", self.top / "data", "-A", "trust", "-E",
                 "UTF8", "--locale=C.UTF-8", "--no-sync",
                 "--no-instructions")
        with open(self.top / "out", "wb") as out:
            self.server = subprocess.Popen(
                ["setpriv", "--pdeathsig", "INT", self.bin / "postgres", "-D",
                 self.top / "data", "-k", self.top, "-c",
                 "listen_addresses="], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, **self.who)
        deadline = time.monotonic() + START_S
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.top],
                             check=False).returncode != 0:
            assert self.server.poll() is None and \
                time.monotonic() < deadline, (self.top / "out").read_text()
            time.sleep(0.05)    # a server that starts is no event
        self.run("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", self.top, "-d",
                 "postgres", "-c", "CREATE ROLE mft LOGIN", "-c",
                 "CREATE DATABASE mft OWNER mft")
        return self

    def __exit__(self, *_):
        self.server.send_signal(signal.SIGINT)
        self.server.wait()
        shutil.rmtree(self.top)

    def run(self, program, *args):
        subprocess.run([self.bin / program, *args], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       **self.who)
