# Part of mftd; see LICENSE.
"""The deliveries that something happens to, and what may come of each.

Nothing here may end otherwise than DONE but what cannot be known: the rename
was done and not answered, and what then stands at the partner neither proves
nor excludes it.
"""
import dataclasses
import random

from .plan import CUTS, HALVES, Fault

LARGE = (600000,)       # three WRITEs
SMALL = (900, 0, 4097, 2500)
DONE = frozenset({"DONE"})
DOUBT = frozenset({"IN_DOUBT"})
EITHER = DONE | DOUBT
RENAMED = Fault("after", kind="rename")
LOST = Fault("before", kind="rename")


@dataclasses.dataclass(frozen=True)
class Scene:
    sizes: tuple = LARGE
    faults: tuple = ()
    allowed: frozenset = DONE
    certain: bool = True    # each of the faults has to happen

    def __str__(self):
        what = "; ".join(map(str, self.faults)) or "nothing"
        return f"{len(self.sizes)} files, {what}"


CALM = (Scene(LARGE), Scene(SMALL), Scene(LARGE, (RENAMED,)),
        Scene(LARGE, (LOST,)))

# What a partner may do beside cutting a connection.
ODD = (
    # refused once: each request that there is, and a disk that is full
    *(Scene(sizes, (Fault("refuse", kind=kind),))
      for sizes in (LARGE, SMALL)
      for kind in ("open", "write", "fsync", "fsetstat", "close", "lstat",
                   "rename")),
    Scene(LARGE, (Fault("refuse", kind="write", nth=2, times=9),)),
    # done, and said to have failed
    *(Scene(sizes, (Fault("deny", kind=kind),))
      for sizes in (LARGE, SMALL)
      for kind in ("open", "write", "fsync", "close", "rename")),
    # not done, and said to be: a last WRITE shows by the size.  Of one before,
    # nothing but another sum at the partner would tell
    Scene(LARGE, (Fault("pretend", kind="write", nth=3),)),
    Scene(SMALL, (Fault("pretend", kind="write", nth=2),)),
    *(Scene(sizes, (Fault("pretend", kind="rename"),))
      for sizes in (LARGE, SMALL)),
    Scene(LARGE, (Fault("before", kind="rename"),
                  Fault("pretend", 2, kind="rename"))),
    # slow
    *(Scene(SMALL, (Fault("slow", kind=kind, times=2),))
      for kind in ("open", "write", "lstat", "rename")),
    # sizes that are not so
    *(Scene(sizes, (Fault(how, kind="lstat"),))
      for sizes in (LARGE, SMALL) for how in ("resize", "sizeless")),
    # without a time of its own a file is no evidence
    Scene(LARGE, (Fault("pretend", kind="fsetstat"),)),
    Scene(LARGE, (Fault("pretend", kind="fsetstat"), RENAMED), EITHER),
    # what is asked for evidence is refused once
    *(Scene(LARGE, (RENAMED, Fault("refuse", 2, kind="lstat", nth=nth)))
      for nth in (1, 2)),
    # the evidence is not what it was, or it is gone
    Scene(LARGE, (RENAMED, Fault("resize", 2, kind="lstat", nth=2)), DOUBT),
    Scene(LARGE, (RENAMED, Fault("sizeless", 2, kind="lstat", nth=2)), DOUBT),
    Scene(LARGE, (Fault("take", kind="rename"),), DOUBT),
    # done half.  Whatever the consumer then did with the file, it does not come
    # to him again; that nobody has it who removed it unread shows nowhere, and
    # it comes then
    *(Scene(LARGE, (Fault(how, kind="rename"),),
            DOUBT if how in ("half, read", "half, moved") else DONE)
      for how in HALVES),
    *(Scene(SMALL, (Fault(how, kind="rename", nth=3),), EITHER)
      for how in ("half, read", "half, moved")),
    # not done, and what tells so is refused once
    *(Scene(LARGE, (LOST, Fault("refuse", 2, kind=kind)))
      for kind in ("opendir", "readdir", "open", "write", "fsetstat", "read",
                   "close")),
    Scene(LARGE, (LOST, Fault("refuse", 2, kind="lstat", nth=3))),
    # or always: that it was not done cannot be known
    Scene(LARGE, (LOST, *(Fault("refuse", n, kind="opendir")
                          for n in range(2, 9))), DOUBT, certain=False),
    # nor without the times that were set
    Scene(LARGE, (Fault("pretend", kind="fsetstat"), LOST), EITHER),
)


def dropped(kinds, before=(), sizes=LARGE, step=1, first=0):
    """One scene for each packet of a connection, whose kinds are given, and
    each way to drop it there; step and first choose some of them."""
    connection = 1 + len(before)
    all_of_them = [(at, how) for at in range(1, len(kinds) + 1)
                   for how in CUTS]
    return [Scene(sizes, (*before, Fault(how, connection, at=at)))
            for at, how in all_of_them[first::step]]


_ANYWHERE = ("before", "after", "within", "refuse")
_BY_KIND = {"rename": ("deny", "pretend", "take", "slow", "half",
                       "half, unread"),
            "lstat": ("resize", "sizeless", "slow"),
            "fsetstat": ("pretend", "deny"), "fsync": ("pretend", "deny"),
            "close": ("deny",), "open": ("deny", "slow")}
_BLINDING = {"resize", "sizeless", "take"}


def by_chance(seed, n):
    """n scenes with faults in up to three connections each.  What hides the
    evidence may leave a doubt, nothing else may."""
    chance = random.Random(seed)
    return [_one_by_chance(chance) for _ in range(n)]


def _one_by_chance(chance):
    sizes = chance.choice((LARGE, SMALL, SMALL[:2]))
    faults = []
    for connection in range(1, chance.randint(1, 3) + 1):
        if chance.random() < 0.5:
            faults.append(Fault(chance.choice(_ANYWHERE), connection,
                                at=chance.randint(3, 7 + 6 * len(sizes))))
        else:
            kind = chance.choice(sorted(_BY_KIND))
            faults.append(Fault(
                chance.choice(_BY_KIND[kind]), connection, kind=kind,
                nth=chance.randint(1, len(sizes))))
    # "refuse" at some place may be that of the times
    blind = any(f.how in _BLINDING or (f.how, f.kind) == (
        "pretend", "fsetstat") or (f.how == "refuse" and f.at)
        for f in faults)
    return Scene(sizes, tuple(faults), EITHER if blind else DONE,
                 certain=False)
