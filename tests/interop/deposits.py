# Part of mftd; see LICENSE.
"""Files that go from account to account: the objects, the rows, processes held
at a system call, and a judge who knows what outbound brought."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

from history import deliveries, found as finds, receipts, recorder
from judge import RigRun
import rig as rigs
from rig import send

PATIENCE_S = 60
_ACCOUNT = """  - name: {name}
    volume: main
    root: {name}
    keys: ["{key}"]
{more}"""
_ROUTE = """  - name: {source}-{target}
    account: {source}
    to_account: {target}
    to_directory: "{directory}"
    settle_s: 0
"""


def objects(rig, routes, **more):
    """Accounts of all routes [(source, target, directory)]; more: lines of an
    account."""
    names = sorted({name for route in routes for name in route[:2]})
    return ("accounts:\n" + "".join(
        _ACCOUNT.format(name=name, key=rig.alice, more="".join(
            f"    {line}\n" for line in more.get(name, ())))
        for name in names) + "routes:\n" + "".join(
            _ROUTE.format(source=source, target=target, directory=directory)
            for source, target, directory in routes))


def wait_for(rig, what, look):
    return rigs.wait_for(what, look, PATIENCE_S, rig.log_tail)


def rows(rig, *args):
    out = rig.mftctl("-j", "delivery", "list", *args).stdout
    return [json.loads(line) for line in out.splitlines()]


def wait_rows(rig, count, states=("DONE",)):
    """Until there are so many deliveries, all in those states."""
    def look():
        found = rows(rig)
        return found if len(found) == count and all(
            row["state"] in states for row in found) else None
    return wait_for(rig, f"{count} deliveries {states}", look)


def process(rig, kind):
    """The pid of a process of that kind, once there is one."""
    return wait_for(rig, f"a {kind}", lambda: next(
        iter(rig.pids(kind)), None))


def _kill_deposit(rig):
    """The next one: where there are many processes, it may have ended before
    all have been looked at."""
    for parent in rig.pids("outbound"):
        with contextlib.suppress(OSError):
            path = f"/proc/{parent}/task/{parent}/children"
            for pid in pathlib.Path(path).read_text().split():
                comm = pathlib.Path(f"/proc/{pid}/comm").read_text()
                if comm == "mftd:deposit\n" and send(int(pid)):
                    return True
    return False


def kill(rig, kind):
    if kind == "deposit":
        wait_for(rig, "a deposit", lambda: _kill_deposit(rig))
    else:
        send(process(rig, kind))


def is_killed(pid):
    """Whether it has ended, or will as soon as whoever holds it lets go: strace
    keeps also the dying for as long as it was told."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        pending = re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)$", text, re.M)
        return any(int(mask, 16) >> signal.SIGKILL - 1 & 1
                   for mask in pending)
    return True


def _waits(pid):
    """For the end of its children, and does nothing else."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/wchan").read_text() == "do_wait"
    return True


def kill_all(rig):
    """The daemon, with which all others end, one by one: by the end of this
    none does anything more, not even who is held and then let go."""
    os.kill(rig.daemon.pid, signal.SIGKILL)
    wait_for(rig, "the end of all", lambda: all(
        is_killed(pid) or _waits(pid) for pid in rig.processes()))


@contextlib.contextmanager
def held(rig, kind, call, nth=1):
    """That process, or one that it forks, waits for long when it enters the
    system call for the nth time."""
    pid = process(rig, kind)
    with subprocess.Popen(
            ["strace", "-f", "-o", rig.top / "strace", "-p", str(pid), "-e",
             f"trace={call}", "-e",
             f"inject={call}:delay_enter=600s:when={nth}"],
            stderr=subprocess.PIPE, text=True) as strace:
        try:
            line = strace.stderr.readline()
            assert "attached" in line, line
            yield pid
        finally:
            strace.terminate()
            strace.stderr.read()


class DepositRun(RigRun):
    """What is brought to an account was asked for by its delivery."""

    def __init__(self, rig, name, db=None):
        self.db = db
        self._asked, self._made = set(), set()
        super().__init__(rig, name)

    def catalog(self):
        return self.db.catalog() if self.db else super().catalog()

    def judge(self):
        """Once nothing is under way.  All are asked for before the first is
        told of: who was first of two with one name, nobody promised."""
        wait_for(self.rig, "the end of all deliveries", self._is_settled)
        sums = {row["id"]: row["sha256"]
                for row in self.catalog()["deliveries"]}
        clients, asked = {}, []
        for row in rows(self.rig):
            account = row.get("to_account")
            if account is None or row["state"] != "DONE" or \
                    row["id"] in self._asked:
                continue
            self._asked.add(row["id"])
            client = clients.setdefault(
                account, self.client("outbound", account))
            directory = row.get("directory", "")
            asked += self._directories(client, directory)
            name = os.path.join(directory, row["name"])
            asked.append((client, client.ask(
                "put", name, size=row["size"], sha256=sums[row["id"]])))
        for client, number in asked:
            client.told(number, recorder.OK)
        return super().judge()

    def _is_settled(self):
        """What was published is known to the catalog, and has gone out."""
        found = self.catalog()
        records, _ = receipts.new_records(self.journals()["records"],
                                          self.before["since"])
        published = receipts.published(records)
        known = {row["id"] for row in found["receipts"]
                 if row["outcome"] == "PUBLISHED"}
        return published.keys() <= known and not deliveries.judge(
            {**published, **finds.records(found["found"])},
            [*found["receipts"], *found["found"]], found["deliveries"], None)

    def _directories(self, client, path):
        """Each is made once, by whoever needs it first."""
        parts = path.split("/") if path else []
        for i in range(len(parts)):
            name = "/".join(parts[:i + 1])
            known = f"{client.root}/{name}" in self.before["storage"]
            if (client.account, name) not in self._made and not known:
                self._made.add((client.account, name))
                yield client, client.ask("mkdir", name)
