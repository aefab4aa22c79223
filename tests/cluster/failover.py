# Part of mftd; see LICENSE.
"""One failover under load, watched from outside: the demo's and the tests'."""
import threading
import time

import clients
import system
import timeline


class Watch:
    """Notes when the survivors saw the loss and the fencing."""

    MARKS = {
        # Corosync's new membership; Pacemaker's result of the fencing
        "detected": ("/var/log/corosync/corosync.log",
                     rb"\[QUORUM\s*\] Members\["),
        "fenced": ("/var/log/pacemaker/pacemaker.log",
                   rb"targeting %s.*: OK|%s was terminated .*: OK|"
                   rb"Operation '(?:off|reboot)'.*%s.*OK"),
    }

    def __init__(self, lab, node):
        self.lab = lab
        self.node = node
        self.seen = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._files = []
        for what, (path, pattern) in self.MARKS.items():
            pattern = pattern.replace(b"%s", node.encode())
            for other in lab.nodes():
                if other != node:
                    real = lab.path(other, path)
                    self._files.append(
                        (what, real, pattern, timeline.size(real)))

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _work(self):
        while not self._stop.is_set():
            for what, path, pattern, skip in self._files:
                if what not in self.seen and timeline.grep_after(
                        path, pattern, skip):
                    self.seen[what] = time.time()
            self._stop.wait(0.02)


def first_delivery(lab, since):
    """Wall time of the first file renamed at the partner after `since`."""
    found = [w for w, _ in timeline.partner_renames(lab) if w > since]
    return min(found, default=None)


COUNTS = ("acknowledged", "lost", "corrupt", "delivered", "duplicated",
          "in_doubt")


def under_load(run, uploads, say=lambda text: None, parallel=4,
               off_after=0.25):
    """Uploads, cuts the promoted node's power under way, waits for the end.

    Returns the report (README, --json) and the verdict on the run."""
    lab = run.lab
    promoted = next(iter(system.promoted(lab)))
    say(f"{len(uploads)} files through {len(lab.nodes())} floating "
        f"addresses; promoted: {promoted}")
    crew = clients.Clients(run, uploads, system.addresses(lab.nodes()),
                           parallel).start()
    watch = prober = None
    try:
        crew.wait_acknowledged(int(len(uploads) * off_after))
        watch = Watch(lab, promoted).start()
        off_mono, off_wall = time.monotonic(), time.time()
        lab.power_off(promoted)
        say(f"{promoted} is powered off, "
            f"{len(crew.acknowledged())} files acknowledged so far")
        prober = clients.Prober(
            lab, system.addresses([promoted])[0]).start()
        crew.join()
        say(f"{len(crew.acknowledged())} of {len(uploads)} acknowledged")
        verdict = run.judge()
        system.wait(lambda: prober.first_after(off_mono), "a login", 60)
    finally:
        crew.stop()
        for helper in (watch, prober):
            if helper is not None:
                helper.stop()
    return report(lab, verdict, watch, prober, off_mono, off_wall), verdict


def report(lab, verdict, watch, prober, off_mono, off_wall):
    found = {k: verdict.counts[k] for k in COUNTS}
    found["promoted_overlap_s"] = round(timeline.overlap_s(
        timeline.promoted_spans(lab, time.time())), 3)
    since = {
        "detected": watch.seen.get("detected"),
        "fenced": watch.seen.get("fenced"),
        "promoted": timeline.first_promotion(lab, off_wall),
        "first_delivery": first_delivery(
            lab, timeline.first_promotion(lab, off_wall) or off_wall),
    }
    seconds = {k: None if v is None else round(v - off_wall, 2)
               for k, v in since.items()}
    login = prober.first_after(off_mono)
    seconds["first_login"] = None if login is None else round(
        login - off_mono, 2)
    found["seconds"] = {k: seconds[k] for k in (
        "detected", "fenced", "promoted", "first_login", "first_delivery")}
    return found


def failures(found, verdict, wanted):
    """What of the promise does not hold; [] when all does."""
    bad = list(map(str, verdict.violations))
    if found["acknowledged"] < wanted:
        bad.append(f"{found['acknowledged']} of {wanted} acknowledged")
    if found["delivered"] != found["acknowledged"]:
        bad.append(f"{found['delivered']} delivered")
    bad += [f"{found[k]} {k}" for k in ("lost", "corrupt", "duplicated",
                                        "in_doubt") if found[k]]
    if found["promoted_overlap_s"] > 0:
        bad.append(f"two promoted for {found['promoted_overlap_s']} s")
    bad += [f"never {k}" for k, v in found["seconds"].items() if v is None]
    return bad
