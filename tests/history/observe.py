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

# The partner's sshd says this of each rename, and of each file that goes.
_CHANGED = re.compile(r'\brename old "([^"]+)" new "([^"]+)"'
                      r'|\bremove name "([^"]+)"')

SHOW = ("-j", "journal", "show")        # mftctl
VERIFY = ("-j", "journal", "verify")

# What may still come, as long as somebody is at work on it.
PENDING = {"journal", "outcome", "catalog", "unforwarded", "undelivered",
           "undisposed", "unfound"}

_QUERIES = {
    "receipts": "SELECT id, stream, seq, outcome, {path} AS path, size, "
    "{sha256} AS sha256, has_routes AS routes, removed, pending, replaced_by, "
    "source, (SELECT count(*) FROM route w WHERE w.account = receipt.account) "
    "AS routed FROM receipt WHERE known = 1 AND origin = ''",
    "streams": "SELECT record.stream AS stream, coalesce(mark.seq, 0) AS mark,"
    " count(*) AS records, max(record.seq) AS last FROM record LEFT JOIN mark "
    "ON mark.stream = record.stream GROUP BY record.stream, mark.seq",
    "deliveries": "SELECT id, receipt, route, partner, state, "
    "{name} AS name, size, {sha256} AS sha256, unmatched, after_done, "
    "if_exists, skipped, error, order_us, order_seq FROM delivery",
    "found": "SELECT id, origin, outcome, {path} AS path, size, "
    "{sha256} AS sha256, has_routes AS routes, removed, pending, replaced_by "
    "FROM receipt WHERE known = 1 AND origin <> ''",
    "pulls": "SELECT receipt, fetched, state FROM pull WHERE receipt IN "
    "(SELECT id FROM receipt WHERE known = 1)",
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
    """A name as mftctl prints it: a byte that is no UTF-8 as \\xff."""
    return name.decode(errors="backslashreplace")


def partner_log(log):
    """[{"old": a path, "new": another}], without "new" where a file is removed,
    as they were asked for, in order."""
    return [{"old": _logged(old), "new": _logged(new)} if new
            else {"old": _logged(gone)}
            for old, new, gone in _CHANGED.findall(log)]


def _logged(name):
    """As mftctl prints it: the log has an odd byte as \\344."""
    return _text(re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]),
                        name.encode(errors="surrogateescape")))


def arrivals(log, directory=None):
    """{name: how often it came into being}, by the partner's log; directory:
    in one that is called so."""
    found = {}
    for entry in partner_log(log):
        where, _, name = entry.get("new", "").rpartition("/")
        if name and directory in (None, where.rpartition("/")[2]):
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
