# Part of mftd; see LICENSE.
"""Partners' clients: OpenSSH's sftp on the lab's partner host, in parallel.

Each upload is repeated until the client was told OK.  What was asked and what
was told goes into the run's history, outside the system under test.
"""
import dataclasses
import hashlib
import os
import random
import subprocess
import threading
import time

from history import recorder

OUT = "/root/out"       # on the partner
OPTIONS = ["-o", "ConnectTimeout=3", "-o", "ServerAliveInterval=1",
           "-o", "ServerAliveCountMax=3"]


@dataclasses.dataclass
class Upload:
    name: str
    size: int
    sha256: str
    by_rename: bool = False     # under another name first, as many clients do
    tries: int = 0
    acknowledged: float = 0.0   # CLOCK_MONOTONIC seconds, 0: never
    errors: list = dataclasses.field(default_factory=list)


def make_files(lab, count, smallest, largest, seed=1):
    """Random files on the partner, sizes spread evenly over magnitudes; each
    third goes through a temporary name."""
    rng = random.Random(seed)
    made = []
    for k in range(count):
        size = int(smallest * (largest / smallest) ** rng.random())
        made.append(make_file(lab, f"f{seed}-{k:04d}", rng.randbytes(size)))
        made[-1].by_rename = k % 3 == 2
    return made


def make_file(lab, name, data):
    where = lab.path("partner", OUT)
    os.makedirs(where, exist_ok=True)
    with open(os.path.join(where, name), "wb") as f:
        f.write(data)
    return Upload(name, len(data), hashlib.sha256(data).hexdigest())


def sftp(lab, address, batch, timeout=60):
    """One batch; CompletedProcess.  A client that hangs is ended."""
    try:
        return lab.exec("partner", ["sftp", *OPTIONS, "-b", "-",
                                    f"alice@{address}"],
                        input=batch, timeout=timeout)
    except subprocess.TimeoutExpired as e:
        return subprocess.CompletedProcess(e.cmd, 255, "", "timed out")


def put(lab, client, address, upload, name=None, timeout=60):
    """One try, written down by client (a recorder)."""
    name = name or upload.name
    number = ask(client, address, upload, name)
    done = sftp(lab, address, f"put {OUT}/{upload.name} {name}\n", timeout)
    client.told(number, recorder.told_by_exit(done.returncode),
                done.stderr.strip()[-200:])
    return done


def put_and_rename(lab, client, address, upload):
    """The same with `.filepart`, which has no route, and then a rename."""
    part = f"{upload.name}.filepart"
    done = put(lab, client, address, upload, part)
    if done.returncode:
        return done
    number = client.ask("posix-rename", part, to=upload.name, through=address)
    done = sftp(lab, address, f"rename {part} {upload.name}\n")
    client.told(number, recorder.told_by_exit(done.returncode),
                done.stderr.strip()[-200:])
    return done


def ask(client, address, upload, name, kind="put"):
    return client.ask(kind, name, size=upload.size, sha256=upload.sha256,
                      through=address)


def interactive(lab, address, *options):
    """An sftp that takes its batch bit by bit on stdin.  Its output is thrown
    away: a pipe would stay open as long as its ssh lives."""
    return lab.popen("partner", ["sftp", *OPTIONS, *options, "-b", "-",
                                 f"alice@{address}"],
                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, text=True)


class Clients:
    """Uploads files through the addresses, `parallel` at a time."""

    def __init__(self, run, uploads, addresses, parallel=4, give_up_s=180):
        self.lab = run.lab
        self.uploads = uploads
        self.give_up_s = give_up_s
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(
                run.client("crew"), addresses[k % len(addresses)]))
            for k in range(parallel)]

    def start(self):
        for t in self._threads:
            t.start()
        return self

    def stop(self):
        """No further try."""
        self._stop.set()
        self.join()

    def join(self):
        for t in self._threads:
            t.join()

    def acknowledged(self):
        return [u for u in self.uploads if u.acknowledged]

    def wait_acknowledged(self, count, timeout_s=300):
        deadline = time.monotonic() + timeout_s
        while len(self.acknowledged()) < count:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{len(self.acknowledged())} of {count} acknowledged: "
                    f"{[u.errors[-1] for u in self.uploads if u.errors][:3]}")
            time.sleep(0.01)

    def _take(self):
        with self._lock:
            if self._stop.is_set() or self._next == len(self.uploads):
                return None
            self._next += 1
            return self.uploads[self._next - 1]

    def _work(self, client, address):
        while (upload := self._take()) is not None:
            deadline = time.monotonic() + self.give_up_s
            while not self._stop.is_set() and time.monotonic() < deadline:
                if self._try(client, upload, address):
                    break
                self._stop.wait(0.2)    # as a person's script would

    def _try(self, client, upload, address):
        upload.tries += 1
        way = put_and_rename if upload.by_rename else put
        done = way(self.lab, client, address, upload)
        if done.returncode:
            upload.errors.append(done.stderr.strip()[-200:])
            return False
        upload.acknowledged = time.monotonic()
        return True


class Prober:
    """Logs in at one address again and again; notes when that works."""

    def __init__(self, lab, address):
        self.lab = lab
        self.address = address
        self.successes = []     # CLOCK_MONOTONIC, at the end of each
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join()

    def first_after(self, t):
        return next((s for s in list(self.successes) if s > t), None)

    def _work(self):
        while not self._stop.is_set():
            done = self.lab.exec(
                "partner", ["sftp", "-o", "ConnectTimeout=1", "-o",
                            "ServerAliveInterval=1", "-b", "-",
                            f"alice@{self.address}"], input="pwd\n")
            if done.returncode == 0:
                self.successes.append(time.monotonic())
            self._stop.wait(0.05)
