# Part of mftd; see LICENSE.
"""What one client's names may be, given what it asked and what it was told.

A client does one thing after the other, and its names are its own.  So all
that is possible is a short list of worlds: an operation that was told ok
happened in each of them, one whose answer did not come happened in some.
"""
import dataclasses
import enum


class Told(enum.Enum):
    """The answer to an operation."""
    OK = "ok"
    FAILED = "failed"       # a PUT did not happen; others may have
    UNKNOWN = "unknown"     # the connection broke before it came


@dataclasses.dataclass(frozen=True)
class Content:
    size: int
    sha256: str


DIRECTORY = Content(-1, "directory")


@dataclasses.dataclass(frozen=True, eq=False)
class Op:
    """PUT name content; RENAME name to; REMOVE name; MKDIR name."""
    kind: str
    name: str
    content: Content = None
    to: str = None
    source: object = None       # the local file of a PUT

    def __str__(self):
        what = f"{self.kind} {self.name}"
        if self.to:
            what += f" -> {self.to}"
        if self.kind == "PUT":
            what += f" ({self.content.size} bytes {self.content.sha256[:12]})"
        return what


@dataclasses.dataclass(frozen=True)
class World:
    names: dict         # name: Content
    done: frozenset     # the PUTs that happened

    def after(self, op):
        """The world in which op happened too; None if it cannot."""
        names = dict(self.names)
        if op.kind == "PUT":
            names[op.name] = op.content
            return World(names, self.done | {op})
        if op.kind == "MKDIR":
            names[op.name] = DIRECTORY
        elif op.name not in names:
            return None
        elif op.kind == "RENAME":
            names[op.to] = names.pop(op.name)
        else:
            del names[op.name]
        return World(names, self.done)


class Worlds:
    """All that is possible, and all that was ever asked for."""

    def __init__(self):
        self.possible = [World({}, frozenset())]
        self.asked = {}         # Op: Told

    def heard(self, op, told):
        self.asked[op] = told
        after = [w for w in (w.after(op) for w in self.possible) if w]
        if told is Told.OK:
            # impossible only when an earlier OK was wrong; the judge shows it
            self.possible = after or self.possible
        elif told is Told.UNKNOWN or op.kind != "PUT":
            self.possible += after

    def puts(self):
        return [op for op in self.asked if op.kind == "PUT"]
