# Part of mftd; see LICENSE.
"""Unfinished uploads that a power cut left behind, which no history tells of:
what they may show, and what they must."""
import dataclasses
import os
import re

from history import observe
from history.verdict import Violation

DORMANT = re.compile(r"(.+)\.d([0-9a-f]{1,16})$")


@dataclasses.dataclass(frozen=True)
class Dormant:
    """A part that can be gone on with: its first `count` bytes."""
    name: str       # the last component of what it is to become
    part: str       # its id
    count: int
    path: os.PathLike


def dormant(volume):
    found = []
    for path in (volume / ".mft/parts").glob("*/*/*/*"):
        if match := DORMANT.match(path.name):
            found.append(Dormant(path.parent.name, match[1],
                                 int(match[2], 16), path))
    return found


def durable(rig):
    """{part: bytes that are durable, as the journals say last}"""
    # a stream that is not whole is for the history's judge to find
    shown = rig.mftctl(*observe.SHOW, rig.volume, check=False).stdout
    return {r["part"]: r["durable"] for r in observe.json_lines(shown)
            if r["type"] == "part"}


def owners(part, ops):
    """Of which uploads a part may be, by the bytes that it shows."""
    with open(part.path, "rb") as f:
        shown = f.read(part.count)
    return [op for op in ops
            if len(shown) == part.count
            and op.source.read_bytes().startswith(shown)]


def judge_dormant(part, ops, durable_bytes):
    """A part that can be gone on with never shows more than is durable, by the
    journals and by what is in it: what its client wrote.  `ops` are the uploads
    to its name that were not told ok: there may be several."""
    if not ops:
        return [Violation("corrupt", f"a part of {part.name}, which nobody "
                          "was writing")]
    wrong = []
    of = " or ".join(map(str, ops))
    if part.count > durable_bytes.get(part.part, 0):
        wrong.append(Violation(
            "corrupt", f"a part of {of} shows {part.count} bytes, of which "
            f"{durable_bytes.get(part.part, 0)} are durable by the journals"))
    if not owners(part, ops):
        wrong.append(Violation("corrupt", f"the first {part.count} bytes of a "
                               f"part of {of} are not its own"))
    return wrong


def judge_synced(op, count, parts, published):
    """What fsync@openssh.com was answered for can be gone on with, but for its
    last byte, which nobody is to take for the end of a whole file."""
    left = max((p.count for p in parts if owners(p, [op])), default=0)
    if published or left >= count - 1:
        return []
    return [Violation("lost", f"{count} bytes of {op} were durable by "
                      f"fsync@openssh.com, {left} can be gone on with")]
