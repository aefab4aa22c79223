# Part of mftd; see LICENSE.
"""What goes wrong where: a plan is a list of faults, each at one request.

A request is told by the connection it comes over, the first being 1, and
either by its place there, INIT being 1, or by its kind and which of that kind
it is.
"""
import dataclasses

# how: (is it done, what is answered, is the connection cut)
HOWS = {
    "before": (False, None, True),      # seen, and not done
    "after": (True, None, True),        # done, and the answer is lost
    "within": (True, "half", True),     # done, and half of the answer comes
    "refuse": (False, "failure", False),
    "deny": (True, "failure", False),   # done, and said to have failed
    "pretend": (False, "ok", False),    # not done, and said to be
    "slow": (True, "late", False),
    "resize": (True, "other size", False),
    "sizeless": (True, "no size", False),
    "take": (True, "taken", True),      # somebody takes what was renamed, and
                                        # the answer is lost
    # a rename by link and unlink, of which only the link is done; then somebody
    # takes the new name: whom the file reaches, a rename once more would send
    # it to twice
    "half": (False, "linked", True),
    "half, read": (False, "linked", True),
    "half, moved": (False, "linked", True),
    "half, unread": (False, "linked", True),    # removed, and nobody has it
}
HALVES = tuple(how for how in HOWS if how.startswith("half"))
ANY = 0             # connection: whichever it is, counted over all of them
CUTS = ("before", "after", "within")


@dataclasses.dataclass(frozen=True)
class Fault:
    how: str
    connection: int = 1
    at: int = 0         # place in the connection; 0: by kind
    kind: str = ""
    nth: int = 1
    times: int = 1      # so many of them, from that one on

    def fits(self, connection, place, kind, nth, nth_of_all):
        if self.connection == ANY:
            return kind == self.kind and \
                self.nth <= nth_of_all < self.nth + self.times
        if connection != self.connection:
            return False
        if self.at:
            return place == self.at
        return kind == self.kind and \
            self.nth <= nth < self.nth + self.times

    def __str__(self):
        where = f"packet {self.at}" if self.at else (
            f"{self.kind} {self.nth}"
            + (f" to {self.nth + self.times - 1}" if self.times > 1 else ""))
        return f"{self.how} {where} of " + (
            f"connection {self.connection}" if self.connection != ANY
            else "all connections")


def to_json(faults):
    return [dataclasses.asdict(fault) for fault in faults]


def from_json(rows):
    return [Fault(**row) for row in rows]
