# Part of mftd; see LICENSE.
"""One run of a rig: its history, what is seen after it, and the verdict."""
import json

from history import checker, listing, observe, operations, recorder


class Run:
    """What was there before, and what clients say since, in `directory`."""

    def __init__(self, rig, directory):
        self.rig = rig
        self.directory = directory
        directory.mkdir()
        self.before = {
            "storage": listing.listing(rig.volume),
            "since": observe.last_sequences(self._journals()["records"])}

    def client(self, name):
        return recorder.Client(self.directory, name)

    def _journals(self):
        return observe.journals(lambda *args: self.rig.mftctl(
            *args, self.rig.volume, check=False).stdout)

    def _look(self):
        return {"before": self.before, "journals": self._journals(),
                "catalog": observe.sqlite_catalog(
                    self.rig.top / "state/catalog.db")}

    def judge(self):
        """Once nothing is under way any more."""
        observe.wait_settled(operations.read(self.directory), self._look)
        return self.judge_at_once()

    def judge_at_once(self):
        """What was seen stays beside the history."""
        history = operations.read(self.directory)
        seen = {**self._look(), "storage": listing.listing(self.rig.volume)}
        (self.directory / "observations.json").write_text(json.dumps(seen))
        return checker.judge(history, seen)
