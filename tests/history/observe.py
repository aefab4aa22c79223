# Part of mftd; see LICENSE.
"""Collects what the judge compares a history with; checker.py says its form.

What is run where differs between a rig and the lab: here is how to ask, and
how to read the answers.
"""
import contextlib
import json
import re
import sqlite3
import time

from . import checker

# The partner's sshd says this of each rename.
_RENAMED = re.compile(r'\brename old "[^"]+" new "(?:[^"]*/)?([^"/]+)"')

SHOW = ("-j", "journal", "show")        # mftctl
VERIFY = ("-j", "journal", "verify")

# What may still come, as long as somebody is at work on it.
PENDING = {"journal", "outcome", "catalog", "unforwarded", "undelivered",
           "undisposed"}

_QUERIES = {
    "receipts": "SELECT id, stream, seq, outcome, {path} AS path, size, "
    "{sha256} AS sha256, has_routes AS routes, removed, pending, replaced_by, "
    "source "
    "FROM receipt WHERE known = 1 AND origin = ''",
    "streams": "SELECT record.stream AS stream, coalesce(mark.seq, 0) AS mark,"
    " count(*) AS records, max(record.seq) AS last FROM record LEFT JOIN mark "
    "ON mark.stream = record.stream GROUP BY record.stream, mark.seq",
    "deliveries": "SELECT id, receipt, route, state, {name} AS name, size, "
    "{sha256} AS sha256, unmatched, after_done FROM delivery WHERE receipt "
    "NOT IN (SELECT id FROM receipt WHERE origin <> '')",
}
_BYTES = ("path", "sha256", "name")
_SQLITE = {column: f"lower(hex({column}))" for column in _BYTES}
_POSTGRES = {column: f"encode({column}, 'hex')" for column in _BYTES}


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def journals(mftctl, *path):
    """mftctl runs it with arguments and gives what it printed, whatever its
    exit status: a bad record is for the judge to see."""
    return {"records": json_lines(mftctl(*SHOW, *path)),
            "verified": json_lines(mftctl(*VERIFY, *path))}


def last_sequences(records):
    """{stream: n} of those that are there: `since` of what comes after."""
    return {r["stream"]: r["seq"] for r in records}


def sqlite_catalog(path):
    """Of a daemon that may be running."""
    with contextlib.closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return {what: _readable(map(dict, db.execute(query.format(**_SQLITE))))
                for what, query in _QUERIES.items()}


def postgres_catalog(psql):
    """psql runs one statement and gives its output, unaligned, rows only."""
    return {what: _readable(json.loads(psql(
        "SELECT coalesce(json_agg(t), '[]') FROM "
        f"({query.format(**_POSTGRES)}) t"))) for what, query in
        _QUERIES.items()}


def _readable(rows):
    rows = list(rows)
    for row in rows:
        for name in {"path", "name"} & row.keys():
            row[name] = _text(bytes.fromhex(row[name]))
        if not row.get("sha256", True):     # SQLite: hex of NULL is ""
            row["sha256"] = None
    return rows


def _text(name):
    """A name as mftctl prints it: what is no UTF-8, byte by byte."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def arrivals(log):
    """{name: how often it came into being}, by the partner's log."""
    found = {}
    for name in _RENAMED.findall(log):
        found[name] = found.get(name, 0) + 1
    return found


def wait_settled(history, look, timeout_s):
    """Until nothing is under way any more, by what look() observes of journals
    and catalog; at the end of that time the verdict will say what is missing.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and any(
            v.kind in PENDING
            for v in checker.judge(history, look()).violations):
        time.sleep(0.1)
