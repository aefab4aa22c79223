# Part of mftd; see LICENSE.
"""What there is: on storage, in the journals, in the catalog."""
import collections
import dataclasses
import hashlib
import json
import os
import re
import sqlite3

from worlds import DIRECTORY, Content

DORMANT = re.compile(r"(.+)\.d([0-9a-f]{1,16})$")


def content(path):
    with open(path, "rb") as f:
        return Content(os.fstat(f.fileno()).st_size,
                       hashlib.file_digest(f, "sha256").hexdigest())


def names_below(root, directory):
    """{name relative to root: Content} of a directory and all below it."""
    found = {}
    for where, subdirectories, files in os.walk(root / directory):
        at = os.path.relpath(where, root)
        found[at] = DIRECTORY
        for name in subdirectories:
            if os.path.islink(f"{where}/{name}"):
                files.append(name)
        for name in files:
            found[f"{at}/{name}"] = content(f"{where}/{name}")
    return found


@dataclasses.dataclass(frozen=True)
class Dormant:
    """A part that can be gone on with: its first `count` bytes."""
    name: str       # the last component of what it is to become
    part: str       # its id
    count: int
    path: os.PathLike


def dormant_parts(volume):
    found = []
    for path in (volume / ".mft/parts").glob("*/*/*/*"):
        if match := DORMANT.match(path.name):
            found.append(Dormant(path.parent.name, match[1],
                                 int(match[2], 16), path))
    return found


@dataclasses.dataclass
class Journal:
    """All streams of the volume."""
    published: collections.Counter      # receipt id: how often
    receipts: dict                      # id: record
    durable: dict                       # part: bytes, as last recorded


def journal(rig):
    # a stream that is not whole is a finding, by `verify`, and not the end
    out = rig.mftctl("-j", "journal", "show", rig.volume, check=False).stdout
    found = Journal(collections.Counter(), {}, {})
    for record in map(json.loads, out.splitlines()):
        if record["type"] == "receipt":
            found.receipts[record["receipt"]] = record
        elif record["type"] == "published":
            found.published[record["receipt"]] += 1
        elif record["type"] == "part":
            found.durable[record["part"]] = record["durable"]
    return found


def catalog(path):
    """The receipts that the catalog knows as published."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return {row[0] for row in db.execute(
            "SELECT id FROM receipt WHERE known = 1 AND outcome = 'PUBLISHED'")}
    finally:
        db.close()
