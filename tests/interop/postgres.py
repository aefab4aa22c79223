# Part of mftd; see LICENSE.
"""A PostgreSQL of one's own, on a socket in a directory of its own: user and
database `mft`, everybody is trusted."""
import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from history import observe
from rig import START_S, TMP

USER = "postgres"       # it refuses to run as root


def _tool(name):
    return max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"),
               key=lambda path: float(path.split("/")[4]))


class Postgres:
    """`with Postgres() as db`: it runs, but while it is away()."""

    def __init__(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="mftd-pg-", dir=TMP))
        self.top.chmod(0o755)
        self.uri = f"postgresql://mft@/mft?host={self.top}"
        self.server = None
        self._who = pwd.getpwnam(USER)
        os.chown(self.top, self._who.pw_uid, self._who.pw_gid)

    def __enter__(self):
        try:
            self._run("initdb", "-D", self.top / "data", "-U", USER,
                      "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
                      "--no-instructions")
            self._start()
            self.psql("CREATE ROLE mft LOGIN", user=USER, database=USER)
            self.psql("CREATE DATABASE mft OWNER mft", user=USER,
                      database=USER)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._stop()
        shutil.rmtree(self.top)

    @contextlib.contextmanager
    def away(self):
        self._stop()
        yield
        self._start()

    def marks(self):
        """{stream: the last record that it has of it}"""
        rows = self.psql("SELECT stream, seq FROM mark").splitlines()
        return {stream: int(seq) for stream, seq in
                (row.split("|") for row in rows)}

    def catalog(self):
        return observe.postgres_catalog(self.psql)

    def psql(self, query, user="mft", database="mft"):
        """What one statement gives, unaligned, rows only."""
        return self._run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
                         "-h", self.top, "-U", user, "-d", database,
                         "-c", query)

    def _start(self):
        """It ends with this process, even when that is killed."""
        with open(self.top / "log", "a", encoding="utf-8") as log:
            self.server = subprocess.Popen(
                ["setpriv", "--reuid", USER, "--regid", str(self._who.pw_gid),
                 "--clear-groups", "--pdeathsig", "INT", "--",
                 _tool("postgres"), "-D", self.top / "data", "-k", self.top,
                 "-c", "listen_addresses="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while subprocess.run([_tool("pg_isready"), "-q", "-h", self.top],
                             check=False).returncode:
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.top / "log").read_text())
            time.sleep(0.05)    # it tells nobody when it is ready

    def _stop(self):
        """At once: connections are ended, what was committed is safe."""
        if self.server is None:
            return
        self.server.send_signal(signal.SIGINT)
        self.server.wait()
        self.server = None

    def _run(self, tool, *args):
        return subprocess.run(
            [_tool(tool), *args], check=True, text=True, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            user=self._who.pw_uid, group=self._who.pw_gid,
            extra_groups=[]).stdout
