# Part of mftd; see LICENSE.
"""The group over real Corosync, three nodes in the lab. Needs root.

    /usr/bin/python3 tests/unit/cluster/group_lab.py PROBE [SCENE ...]

PROBE is the built tests/unit/cluster/group_probe. Nothing is fenced here:
the scenes say themselves what Pacemaker would say.
"""
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", ".."))
from tests.lab.lab import Lab  # noqa: E402

INSIDE = "/var/lib/mft/group_probe"
LEASE_MS = 1500


class Probe:
    """One member; events are all lines it has written."""

    def __init__(self, lab, node):
        self.node = node
        self.lines, self.answers = [], queue.Queue()
        self.log = open(lab.state(f"group_probe.{node}.log"), "a",
                        encoding="utf-8")
        self.process = lab.popen(
            node, ["setpriv", "--reuid", "mft", "--regid", "mft",
                   "--clear-groups", "--pdeathsig", "KILL",
                   INSIDE, node, str(LEASE_MS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith("status"):
                self.answers.put(line)
                continue
            self.lines.append(line)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def status(self):
        self.say("status")
        line = self.answers.get(timeout=10)
        found = dict(re.findall(r"(\w+)=(\d)", line))
        rows = [r.split(":") for r in line.split(" rows")[1].split()]
        return ({k: v == "1" for k, v in found.items()},
                {r[0]: (r[1], int(r[2])) for r in rows})

    def incarnation(self):
        return [x.split()[1] for x in self.lines if x.startswith("open")][-1]

    def count(self, word):
        return sum(x.split()[0] == word for x in list(self.lines))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.log.close()


def until(cond, what, timeout_s=30):
    began = time.monotonic()
    while not cond():
        if time.monotonic() - began > timeout_s:
            raise AssertionError("never: " + what)
        time.sleep(0.02)
    took = time.monotonic() - began
    print(f"    {what}: {took:.2f} s")


class Group:
    def __init__(self, lab):
        self.lab = lab
        self.probes = {}

    def start(self, *nodes):
        for n in nodes:
            self.probes[n] = Probe(self.lab, n)

    def agreed(self, *nodes):
        """Ready, and all with the same rows."""
        seen = [self.probes[n].status() for n in nodes or self.probes]
        here = {self.probes[n].incarnation() for n in nodes or self.probes}
        return all(f["ready"] and f["lease"] for f, _ in seen) and all(
            rows == seen[0][1] for _, rows in seen) and here == {
                i for i, (how, _) in seen[0][1].items()
                if how.startswith("member")}

    def row(self, at, incarnation):
        return self.probes[at].status()[1].get(incarnation, ("", 0))[0]

    def restarts(self, n):
        return self.probes[n].count("restart")

    def recovers(self, incarnation):
        return sum(p.lines.count(f"recover {incarnation}")
                   for p in self.probes.values())

    def close(self):
        for p in self.probes.values():
            p.kill()
        self.probes = {}


def join(g):
    g.start("n1", "n2", "n3")
    until(g.agreed, "three started at once agree")
    g.probes["n1"].say("session 2000")
    g.probes["n2"].say("config 7")
    until(lambda: g.agreed() and g.probes["n3"].status()[1][
        g.probes["n1"].incarnation()][1] == 2000, "2000 sessions at all")
    old = g.probes.pop("n3")
    old.say("gone")
    old.say("close")
    old.process.wait()
    until(lambda: g.agreed() and g.recovers(old.incarnation()) == 1,
          "clean stop is recovered without fencing")
    g.start("n3")
    until(lambda: g.agreed() and "config 7" in g.probes["n3"].lines,
          "a joiner has the table")


def kill(g):
    g.start("n1", "n2", "n3")
    until(g.agreed, "agreed")
    lost = g.probes["n3"].incarnation()
    g.probes.pop("n3").kill()
    until(lambda: g.agreed() and g.row("n1", lost) == "lost",
          "killed process is lost")
    time.sleep(1)  # nothing may happen
    assert g.recovers(lost) == 0
    g.probes["n1"].say("fenced n3")
    g.probes["n2"].say("fenced n3")
    until(lambda: g.row("n2", lost) == "recovered", "fenced: recovered")
    assert g.recovers(lost) == 1
    lost = g.probes["n2"].incarnation()
    g.probes.pop("n2").kill()
    g.start("n2", "n3")
    until(lambda: g.agreed() and g.recovers(lost) == 1,
          "killed and back: its old life is recovered")


def corosync_of(g, node):
    return g.lab.check(node, "pidof", "corosync").strip()


def pause(g):
    for node in ("n3", "n1"):
        g.start("n1", "n2", "n3")
        until(g.agreed, "agreed")
        others = [n for n in g.probes if n != node]
        pid, lost = corosync_of(g, node), g.probes[node].incarnation()
        g.lab.check(node, "kill", "-STOP", pid)
        until(lambda: g.agreed(*others) and g.row("n2", lost) == "lost",
              f"corosync of {node} stopped: the others go on")
        until(lambda: not g.probes[node].status()[0]["lease"],
              "its lease has run out")
        g.lab.check(node, "kill", "-CONT", pid)
        until(lambda: g.restarts(node) == 1 and g.agreed() and
              g.recovers(lost) == 1, "continued: it restarts, old life over")
        assert [g.restarts(n) for n in others] == [0, 0]
        g.close()


def blink(g):
    """Pauses about as long as the token: whatever Corosync makes of it."""
    g.start("n1", "n2", "n3")
    for ms in (900, 1000, 1100, 1200, 1400, 1700, 2000, 2300, 2600):
        until(g.agreed, "agreed")
        pid = corosync_of(g, "n2")
        g.lab.check("n2", "sh", "-c",
                    f"kill -STOP {pid}; sleep {ms / 1000}; kill -CONT {pid}")
        time.sleep(0.5)
        until(g.agreed, f"after {ms} ms of pause all agree")
        print("    restarts", [g.restarts(n) for n in g.probes])
    assert g.restarts("n1") == g.restarts("n3") == 0


def split(g):
    g.start("n1", "n2", "n3")
    until(g.agreed, "agreed")
    lost = g.probes["n1"].incarnation()
    g.lab.cut("n1")
    until(lambda: g.agreed("n2", "n3") and g.row("n2", lost) == "lost",
          "n1 cut off: the others go on")
    until(lambda: "quorum 0" in g.probes["n1"].lines, "it has no quorum")
    assert not g.probes["n1"].status()[0]["lease"]
    g.lab.heal()
    until(lambda: g.restarts("n1") == 1 and g.agreed() and
          g.recovers(lost) == 1, "healed: it restarts, old life over")
    assert g.restarts("n2") == g.restarts("n3") == 0


def shatter(g):
    g.start("n1", "n2", "n3")
    until(g.agreed, "agreed")
    g.lab.cut("n1")
    g.lab.cut("n2")
    until(lambda: all("quorum 0" in p.lines for p in g.probes.values()),
          "three parts, none quorate")
    g.lab.heal()
    until(g.agreed, "healed: all agree")
    until(lambda: sum(g.restarts(n) for n in g.probes) >= 2 and g.agreed(),
          "two have restarted")
    assert sorted(g.restarts(n) for n in g.probes) == [0, 1, 1]


def corosync_ends(g):
    g.start("n1", "n2", "n3")
    until(g.agreed, "agreed")
    g.lab.check("n3", "kill", "-KILL", corosync_of(g, "n3"))
    until(lambda: g.restarts("n3") == 1, "corosync killed: restart asked")
    until(lambda: g.agreed("n1", "n2"), "the others go on")
    if g.lab.exec("n3", ["pidof", "corosync"]).returncode:
        g.lab.check("n3", "corosync")
    until(g.agreed, "Corosync is back, and all agree", 60)


def hung_corosync(g):
    """Closing must not wait for a Corosync that answers nothing."""
    g.start("n1", "n2", "n3")
    until(g.agreed, "agreed")
    pid = corosync_of(g, "n3")
    g.lab.check("n3", "kill", "-STOP", pid)
    until(lambda: not g.probes["n3"].status()[0]["lease"], "lease ran out")
    time.sleep(2)  # what Corosync said last is old enough
    g.probes["n3"].say("close")
    until(lambda: g.probes["n3"].process.poll() is not None, "closed", 10)
    del g.probes["n3"]
    g.lab.check("n3", "kill", "-CONT", pid)
    g.start("n3")
    until(g.agreed, "and back")


SCENES = (join, kill, pause, blink, split, shatter, hung_corosync,
          corosync_ends)


def run(lab, scene):
    group = Group(lab)
    print(scene.__name__, flush=True)
    try:
        scene(group)
    except BaseException:
        for n, p in group.probes.items():
            with open(p.log.name, encoding="utf-8") as f:
                print(f"{n}: {p.lines}\n{f.read()}", flush=True)
        raise
    finally:
        group.close()


def main(argv):
    chosen = [s for s in SCENES if not argv[1:] or s.__name__ in argv[1:]]
    with Lab(f"group{os.getpid()}") as lab:
        lab.up(3, plain=True)
        lab.check("n1", "crm_attribute", "-n", "stonith-enabled",
                  "-v", "false")
        for n in lab.nodes():
            shutil.copy(argv[0], lab.path(n, INSIDE))
            os.chmod(lab.path(n, INSIDE), 0o755)
        for scene in chosen:
            run(lab, scene)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
