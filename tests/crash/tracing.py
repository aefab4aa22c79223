# Part of mftd; see LICENSE.
"""System calls of a running mftd, in their order, by strace."""
import contextlib
import dataclasses
import os
import re
import subprocess
import time

from rig import START_S

_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_DESCRIPTOR = re.compile(r"\d+<([^>]*(?:->[^>]*)*)>")


@dataclasses.dataclass(frozen=True)
class Call:
    """Begin and end are numbers of lines: what ended before another began is
    before it."""
    pid: int
    name: str
    text: str       # the arguments, descriptors with their paths
    result: int
    begin: int
    end: int

    @property
    def path(self):
        """Of the first descriptor."""
        match = _DESCRIPTOR.search(self.text)
        return match[1] if match else ""


def calls(lines):
    """Those that returned, by their begin."""
    begun, found = {}, []
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        pid, text = int(match[1]), match[2]
        begin = number
        if text.endswith("<unfinished ...>"):
            begun[pid] = number, text.removesuffix("<unfinished ...>")
            continue
        if resumed := _RESUMED.match(text):
            begin, first = begun.pop(pid)
            text = first + resumed[2]
        if call := _CALL.match(text):
            found.append(Call(pid, call[1], call[2], int(call[3]), begin,
                              number))
    return sorted(found, key=lambda c: c.begin)


def tracer(pid):
    """The process that traces this one; 0 for none, or if it is gone."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return int(re.search(r"TracerPid:\t(\d+)", f.read())[1])
    return 0


def until(what, words):
    deadline = time.monotonic() + START_S
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(words)
        time.sleep(0.01)    # of another program's doing


@contextlib.contextmanager
def traced(rig, path, *options, **env):
    """The daemon from its start to its end, with all that it forks.  strace
    makes itself its grandchild, and ends when all of them have."""
    rig.start("strace", "-D", "-f", "-qq", "-yy", "-o", path, *options, **env)
    strace = tracer(rig.daemon.pid)
    yield
    rig.stop()
    until(lambda: not os.path.exists(f"/proc/{strace}"), "strace goes on")


@contextlib.contextmanager
def attached(pid, path, *options):
    """strace of a process that runs, and is to have ended when this ends:
    strace, told to let go of one that lives, may wait for it without end."""
    process = subprocess.Popen(
        ["strace", "-f", "-qq", "-yy", "-o", path, *options, f"-p{pid}"],
        stdin=subprocess.DEVNULL)
    try:
        until(lambda: tracer(pid), f"strace is not attached to {pid}")
        yield
        process.wait(START_S)
    finally:
        process.kill()
        process.wait()
