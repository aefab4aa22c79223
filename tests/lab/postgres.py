# Part of mftd; see LICENSE.
"""The database host: one PostgreSQL, user and database `mft`, trust."""
import glob
import os
import subprocess

from . import plan, service

_DATA = "/var/lib/postgresql/lab"
_SETTINGS = {"listen_addresses": plan.address(plan.DB),
             "unix_socket_directories": "/run/postgresql",
             "max_connections": "200", "fsync": "on",
             "synchronous_commit": "on", "log_line_prefix": "%m [%p] %q%u@%d ",
             "log_connections": "on", "tcp_keepalives_idle": "5"}


def _bin(tool):
    found = glob.glob("/usr/lib/postgresql/*/bin")
    newest = max(found, key=lambda d: float(d.split("/")[4]))
    return f"{newest}/{tool}"


def _as_postgres(*argv, **kwargs):
    return subprocess.run(argv, user="postgres", group="postgres",
                          cwd="/", check=True, stdin=subprocess.DEVNULL,
                          **kwargs)


def rc(_name, _settings):
    """Inside the host; the first power-on makes the cluster."""
    os.makedirs("/run/postgresql", exist_ok=True)
    subprocess.run(["chown", "postgres:postgres", "/run/postgresql"],
                   check=True)
    fresh = not os.path.exists(f"{_DATA}/PG_VERSION")
    if fresh:
        _initialise()
    options = [f"-c{k}={v}" for k, v in _SETTINGS.items()]
    service.spawn_notify("postgresql.log", _bin("postgres"), "-D", _DATA,
                         *options, user="postgres", group="postgres",
                         cwd="/")
    if fresh:
        psql = [_bin("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d",
                "postgres", "-h", "/run/postgresql"]
        _as_postgres(*psql, "-c", "CREATE ROLE mft LOGIN",
                     "-c", "CREATE DATABASE mft OWNER mft")


def _initialise():
    os.makedirs(os.path.dirname(_DATA), exist_ok=True)
    subprocess.run(["chown", "postgres:postgres", os.path.dirname(_DATA)],
                   check=True)
    _as_postgres(_bin("initdb"), "-D", _DATA, "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync", "--no-instructions",
                 stdout=subprocess.DEVNULL)
    with open(f"{_DATA}/pg_hba.conf", "a", encoding="ascii") as f:
        f.write(f"host all all {plan.NETWORK}.0/{plan.PREFIX} trust\n")
