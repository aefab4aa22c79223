# Part of mftd; see LICENSE.
"""The judge of a rig: where storage, journals and catalog are."""
from history import listing, observe
from history.run import Run


class RigRun(Run):
    """A run of a rig."""

    settled_s = 30

    def __init__(self, rig, name):
        self.rig = rig
        super().__init__(name)

    def storage(self):
        return listing.listing(self.rig.volume)

    def journals(self):
        return observe.journals(lambda *args: self.rig.mftctl(
            *args, self.rig.volume, check=False).stdout)

    def catalog(self):
        return observe.sqlite_catalog(self.rig.state / "catalog.db")
