# Part of mftd; see LICENSE.
"""A standalone mftd whose volume and catalog are on a disk that loses its
power again and again."""
import collections

from rig import Rig

import judge
from disk import Disk
from plan import pool
from rounds import Round

COUNTS = ("acknowledged", "lost", "corrupt", "duplicated", "refused", "cuts",
          "kills", "unknown", "failed", "changes", "resumed", "synced", "parts",
          "parts_with_later_pages", "written_back")


class Victim:
    """`with Victim(...) as victim`: one disk and the daemon on it."""

    def __init__(self, fs, top, seed, env):
        self.seed, self.env, self.pool = seed, env, pool(seed)
        self.counts = collections.Counter(dict.fromkeys(COUNTS, 0))
        self.rounds = []
        self.disk = Disk(fs, top)
        self.rig = Rig(volume=self.disk.at / "volume",
                       state=self.disk.at / "state")
        self.rig.mftctl("apply", self.rig.accounts())
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.rig.__exit__()
        self.disk.remove()

    def start(self):
        self.rig.start(**self.env)

    def round(self, number):
        """One cut; its findings."""
        self.rounds.append(Round(self, number))
        self.rounds[-1].run()
        return self.tally(self.rounds[-1].check())

    def last_look(self):
        """All rounds once more: later cuts took nothing from earlier ones."""
        findings = []
        for each in self.rounds:
            findings += each.check_names()
        directories = {u.name for r in self.rounds for u in r.uploaders}
        for path in (self.rig.volume / "alice").iterdir():
            if path.name not in directories:
                findings.append(judge.Finding("corrupt", f"nobody asked for "
                                              f"{path.name}"))
        return self.tally(findings)

    def judge_journal(self, journal):
        findings = judge.judge_ghosts(
            [u.worlds for r in self.rounds for u in r.uploaders], journal)
        done = self.rig.mftctl("journal", "verify", self.rig.volume,
                               check=False)
        if done.returncode:
            findings.append(judge.Finding("corrupt",
                                          done.stdout + done.stderr))
        return findings

    def tally(self, findings):
        for finding in findings:
            self.counts[finding.kind] += 1
        return findings
