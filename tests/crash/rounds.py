# Part of mftd; see LICENSE.
"""One power cut: clients at work, the cut, the start after it, the look."""
import collections
import concurrent.futures
import contextlib
import os
import random
import select
import shutil
import signal
import threading
import time

import clients
from history.recorder import OK, UNKNOWN
from history.verdict import Violation
from rig import START_S, members

import parts
import uploaders
from plan import Op, Sources
from writeback import WriteBack

DONE_BEFORE = (1, 60)           # how many operations before the cut
DELAY_S = 0.1                   # at most, from there; half of the cuts come
                                # right after an answer, the hardest to keep
RESUMED = 2                     # unfinished uploads, after the cut


def kill(pids):
    """All at once, until they have ended, with all that they had open; those
    that were still there."""
    with contextlib.ExitStack() as opened:
        processes = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                processes[pid] = os.pidfd_open(pid)
                opened.callback(os.close, processes[pid])
        for each in processes.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(each, signal.SIGKILL)
        for each in processes.values():
            select.select([each], [], [])
        return list(processes)


class Round:
    """Its number names its files; seed and number decide what is done."""

    def __init__(self, victim, number):
        self.victim, self.rig, self.number = victim, victim.rig, number
        self.history = victim.history
        self.rng = random.Random(f"{victim.seed}/{number}")
        self.local = self.rig.top / f"local-{number}"
        self.local.mkdir()
        self.sources = Sources(victim.pool, self.local)
        self.cut_after = self.rng.randint(*DONE_BEFORE)
        self.delay_s = self.rng.choice((0, self.rng.uniform(0, DELAY_S)))
        self.done = 0
        self.refused = []
        self.cutting = threading.Event()
        self.changed = threading.Condition()
        self.uploaders = [kind(self, i, random.Random(self.rng.random()))
                          for i, kind in enumerate(uploaders.ALL)]
        self.writeback = WriteBack(self, random.Random(self.rng.random()))

    # ---- what the clients see of it

    def over(self, timeout_s=0):
        return self.cutting.wait(timeout_s)

    def heard(self, op, told):
        with self.changed:
            if told == OK:
                self.done += 1
            elif not self.over():
                self.refused.append(f"{op}: {told} before the cut")
            self.changed.notify()

    @contextlib.contextmanager
    def connection(self):
        client = clients.Paramiko(self.rig)
        try:
            yield client.sftp
        finally:
            client.close()

    # ---- before and at the cut

    def make_directories(self):
        ops = [Op("mkdir", u.name) for u in self.uploaders]
        numbers = [u.ask(op) for u, op in zip(self.uploaders, ops)]
        done = self.rig.sftp("".join(f"mkdir {op.name}\n" for op in ops))
        if done.returncode:
            raise AssertionError(done.stderr + self.rig.log_tail())
        for u, number in zip(self.uploaders, numbers):
            u.recorder.told(number, OK)

    def wait_until_done(self, jobs):
        deadline = time.monotonic() + START_S
        with self.changed:
            while self.done < self.cut_after and not self.refused:
                for job in jobs:
                    if job.done():
                        job.result()    # raises what ended it
                if time.monotonic() > deadline:
                    raise AssertionError(
                        f"{self.done} operations in {START_S} s\n"
                        + self.rig.log_tail())
                self.changed.wait(0.5)

    def cut_power(self):
        """Cut first, then kill: an answer between them must hold, too."""
        time.sleep(self.delay_s)        # the moment is chance
        self.cutting.set()
        self.victim.disk.cut()
        self.history.event("cut", str(self.victim.disk.image))
        group = self.rig.daemon.pid
        killed = kill(members(group))
        while left := members(group):   # just begun
            killed += kill(left)
        self.rig.stop(signal.SIGKILL)
        for pid in killed:
            self.history.event("kill", str(pid))

    def run(self):
        self.make_directories()
        with concurrent.futures.ThreadPoolExecutor(
                len(self.uploaders) + 1) as pool:
            jobs = [pool.submit(u.run) for u in self.uploaders]
            jobs.append(pool.submit(self.writeback.run))
            try:
                self.wait_until_done(jobs)
            finally:
                self.cut_power()
        for job in jobs:
            job.result()
        self.history.event("over", "all processes")
        self.victim.disk.unmount()
        self.victim.disk.mount()
        self.victim.start()

    # ---- after it

    def check(self):
        """What is wrong by what this round's clients know; all else is the
        history's."""
        found = [Violation("refused", text) for text in self.refused]
        there = [p for p in parts.dormant(self.rig.volume)
                 if p.name.startswith(f"r{self.number}-")]
        written, durable = self.unfinished(), parts.durable(self.rig)
        for part in there:
            found += parts.judge_dormant(part, written[part.name], durable)
            self.victim.counts["parts"] += 1
            self.victim.counts["parts_with_later_pages"] += \
                part.path.stat().st_size > part.count + 1
        for u in self.uploaders:
            for op, count in u.synced.items():
                found += self.check_synced(op, count, there)
        for part in self.rng.sample(there, min(len(there), RESUMED)):
            for op in parts.owners(part, written[part.name])[:1]:
                found += self.resume(written[part.name][op], op)
        self.victim.counts["written_back"] += self.writeback.count
        shutil.rmtree(self.local)
        return found

    def check_synced(self, op, count, there):
        self.victim.counts["synced"] += 1
        return parts.judge_synced(
            op, count, [p for p in there if p.name == op.name.split("/")[-1]],
            (self.rig.volume / "alice" / op.name).exists())

    def unfinished(self):
        """{last component: {upload that was not told ok: whose}}"""
        found = collections.defaultdict(dict)
        for u in self.uploaders:
            for op in u.unfinished:
                found[op.name.rsplit("/", 1)[1]][op] = u
        return found

    def resume(self, uploader, op):
        """The upload that the cut interrupted is gone on with."""
        kind = self.rng.choice([clients.Sftp, clients.Lftp])
        number = uploader.recorder.ask("resume", op.name, **op.words())
        try:
            kind(self.rig).resume_put(op.source, f"/{op.name}")
        except clients.Failed as e:
            uploader.recorder.told(number, UNKNOWN)
            return [Violation("refused", f"{op} is not resumed by "
                              f"{kind.__name__}: {e}")]
        uploader.recorder.told(number, OK)
        self.victim.counts["resumed"] += 1
        return []
