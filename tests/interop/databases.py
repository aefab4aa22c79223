# Part of mftd; see LICENSE.
"""The catalog of a rig in either database, which can be away."""
import atexit
import contextlib
import functools
import glob
import itertools
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

from history import observe
from rig import START_S, TMP

_MARKS = "SELECT stream, seq FROM mark"


class Sqlite:
    """The file that a rig has by itself."""

    def __init__(self, path):
        self._path = path

    @contextlib.contextmanager
    def away(self):
        """Another program holds the database, as a backup might."""
        with self._open() as db:
            db.execute("BEGIN EXCLUSIVE")
            yield
            db.execute("COMMIT")

    def marks(self):
        """{stream: the last record that it has of it}"""
        with self._open() as db:
            return dict(db.execute(_MARKS))

    def catalog(self):
        return observe.sqlite_catalog(self._path)

    def refuse_behind(self, seq):
        """Takes no record with a higher number, of any stream."""
        with self._open() as db:
            db.execute("CREATE TRIGGER refused BEFORE INSERT ON record "
                       f"WHEN NEW.seq > {seq} "
                       "BEGIN SELECT RAISE(ABORT, 'refused'); END")

    def refuse_nothing(self):
        with self._open() as db:
            db.execute("DROP TRIGGER refused")

    @contextlib.contextmanager
    def _open(self):
        with contextlib.closing(
                sqlite3.connect(self._path, isolation_level=None)) as db:
            db.execute("PRAGMA busy_timeout = 30000")
            yield db


class _Server:
    """PostgreSQL, reachable by a socket in its directory only; it ends with
    who started it, even when that is killed."""

    def __init__(self):
        bins = glob.glob("/usr/lib/postgresql/*/bin")
        self._bin = max(bins, key=lambda d: float(d.split("/")[4]))
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="mftd-pg-", dir=TMP))
        self._server = None
        atexit.register(self._end)
        self.top.chmod(0o755)
        shutil.chown(self.top, "postgres", "postgres")
        subprocess.run(
            self._as_postgres("initdb", "-D", self.top / "data", "-U",
                              "postgres", "-A", "trust", "-E", "UTF8",
                              "--locale=C", "--no-sync", "--no-instructions"),
            check=True, cwd="/", stdout=subprocess.DEVNULL)
        self.start()
        self.psql("CREATE ROLE mft LOGIN", "postgres", "postgres")

    def start(self):
        """Unless it runs."""
        if self._server is not None:
            return
        with open(self.top / "log", "a", encoding="utf-8") as log:
            self._server = subprocess.Popen(
                self._as_postgres("postgres", "-D", self.top / "data", "-k",
                                  self.top, "-c", "listen_addresses="),
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while subprocess.run([f"{self._bin}/pg_isready", "-q", "-h",
                              self.top], check=False).returncode != 0:
            assert self._server.poll() is None and \
                time.monotonic() < deadline, (self.top / "log").read_text()
            time.sleep(0.05)    # it tells nobody

    def stop(self):
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(START_S)
            self._server = None

    def psql(self, statement, user, database):
        return subprocess.run(
            [f"{self._bin}/psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-h",
             self.top, "-U", user, "-d", database, "-c", statement],
            check=True, text=True, stdout=subprocess.PIPE).stdout

    def _as_postgres(self, tool, *args):
        return ["setpriv", "--reuid=postgres", "--regid=postgres",
                "--clear-groups", "--pdeathsig=INT", f"{self._bin}/{tool}",
                *args]

    def _end(self):
        self.stop()
        shutil.rmtree(self.top)


_server = functools.cache(_Server)


class Postgres:
    """A database of its own in a server that all tests of a process share, one
    after the other: `with Postgres() as db`."""

    _numbers = itertools.count()

    def __init__(self):
        self._server = _server()
        self._name = f"mft{next(self._numbers)}"
        self.uri = f"postgresql://mft@/{self._name}?host={self._server.top}"

    def __enter__(self):
        self._server.start()    # the test before may have failed amid away
        self._server.psql(f"CREATE DATABASE {self._name} OWNER mft",
                          "postgres", "postgres")
        return self

    def __exit__(self, *_):
        """It is left to the server's end."""

    @contextlib.contextmanager
    def away(self):
        self._server.stop()
        yield
        self._server.start()

    def marks(self):
        lines = self.psql(_MARKS).splitlines()
        return {stream: int(seq)
                for stream, seq in (line.split("|") for line in lines)}

    def catalog(self):
        return observe.postgres_catalog(self.psql)

    def refuse_behind(self, seq):
        self.psql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql "
                   "AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$")
        self.psql("CREATE TRIGGER refused BEFORE INSERT ON record "
                   f"FOR EACH ROW WHEN (NEW.seq > {seq}) "
                   "EXECUTE FUNCTION refuse()")

    def refuse_nothing(self):
        self.psql("DROP TRIGGER refused ON record")

    def psql(self, statement):
        return self._server.psql(statement, "mft", self._name)
