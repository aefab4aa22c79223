# Part of mftd; see LICENSE.
"""The state directory of one lab: what was started, and what happened when.

    settings.json       what `up` was asked for
    rack.json           the rack's init: pid, start time, the machine's boot id
    events.jsonl        one JSON object per event: t (CLOCK_MONOTONIC seconds),
                        wall (seconds since 1970), event, and more
    hosts/NAME/         run.json while it is powered on, etc, var, home, ...
    bmc/ keys/ storage/
"""
import contextlib
import fcntl
import json
import os
import time

from . import kernel

BASE = "/var/tmp"


class LabError(Exception):
    """Something the lab cannot do; the text is for people."""


def directory(name):
    if not name or not name.replace("-", "").isalnum():
        raise LabError(f"not a name for a lab: {name!r}")
    return f"{BASE}/mft-lab-{name}"


class State:
    def __init__(self, path):
        self.path = path

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def exists(self):
        return os.path.isdir(self.path)

    def create(self):
        os.mkdir(self.path, 0o700)
        for name in ("hosts", "bmc", "keys", "storage"):
            os.mkdir(self(name))

    def hold(self):
        """A descriptor; held() while it is open, by `up` at work."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def held(self):
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)

    def write(self, name, value):
        """Replace a JSON file; a reader sees the old or the new one."""
        path = self(name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump(value, f)
        os.rename(path + ".new", path)

    def read(self, name):
        try:
            with open(self(name), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def remove(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self(name))

    def event(self, event, **more):
        line = {"t": round(time.monotonic(), 4),
                "wall": round(time.time(), 4), "event": event, **more}
        with open(self("events.jsonl"), "a", encoding="utf-8") as f:
            f.write(json.dumps(line) + "\n")

    def events(self):
        try:
            with open(self("events.jsonl"), encoding="utf-8") as f:
                return [json.loads(line) for line in f]
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def lock(self, name):
        """One at a time; the kernel lets go when the holder dies."""
        with open(self(f"{name}.lock"), "w", encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield


def identity(pid):
    start = kernel.start_time(pid)
    if start is None:
        raise LabError(f"process {pid} ended at once")
    return {"pid": pid, "start": start, "boot": kernel.boot_id()}
