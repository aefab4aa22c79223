# Part of mftd; see LICENSE.
"""A standalone mftd whose volume and catalog are on a disk that loses its
power again and again, and the history of all that its clients ask."""
import collections

from history import verdict
from judge import RigRun
from rig import Rig

from disk import Disk
from plan import pool
from rounds import Round

# what a verdict counts, and what that is called here
JUDGED = {"acknowledged": "acknowledged", "cuts": "cuts", "kills": "kills",
          "unknown": "unknown", "refused": "failed", "other": "changes"}
COUNTED = ("resumed", "synced", "parts", "parts_with_later_pages",
           "written_back")
COUNTS = ("acknowledged", *verdict.COUNTED, "refused", "violations", "cuts",
          "kills", "unknown", "failed", "changes", *COUNTED)


class Cuts(RigRun):
    """The history of one disk.  What it looks at comes from the disk after it
    was mounted again; what it keeps is elsewhere."""

    settled_s = 5       # until what was recovered is in the catalog

    def tell(self, found):
        """The counts of all disks are told together."""


class Victim:
    """`with Victim(...) as victim`: one disk and the daemon on it."""

    def __init__(self, fs, top, seed, env):
        self.seed, self.env, self.pool = seed, env, pool(seed)
        self.counts = collections.Counter()
        self.violations = {}        # by what they say: each is told once
        self.disk = Disk(fs, top)
        self.rig = Rig(volume=self.disk.at / "volume",
                       state=self.disk.at / "state")
        self.rig.mftctl("apply", self.rig.accounts())
        self.start()
        self.history = Cuts(self.rig, f"crash-{fs}-{seed}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.history.__exit__()
        self.rig.__exit__()
        self.disk.remove()

    def start(self):
        self.rig.start(**self.env)

    def round(self, number):
        """One cut; what was found for the first time.  All rounds before it
        are looked at once more: later cuts took nothing from them."""
        each = Round(self, number)
        each.run()
        own = each.check()
        judged = self.history.judge()
        for what, name in JUDGED.items():
            self.counts[name] = judged.counts[what]
        new = {f"{v.kind}: {v.what}": v for v in (*own, *judged.violations)}
        new = {text: v for text, v in new.items()
               if text not in self.violations}
        self.violations |= new
        return list(new.values())

    def totals(self):
        found = self.violations.values()
        return self.counts + collections.Counter(
            verdict.count(found), violations=len(found),
            refused=sum(v.kind == "refused" for v in found))
