# Part of mftd; see LICENSE.
"""System calls of a running mftd, in their order, by strace."""
import contextlib
import dataclasses
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


def is_traced(pid):
    """False also for one that is gone."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return "TracerPid:\t0\n" not in f.read()
    return False


@contextlib.contextmanager
def attached(pids, path, *options):
    """strace of these processes and of all that they fork, into a file."""
    process = subprocess.Popen(
        ["strace", "-f", "-qq", "-yy", "-o", path, *options,
         *(f"-p{pid}" for pid in pids)], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while not all(map(is_traced, pids)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"strace is not attached to {pids}")
            time.sleep(0.01)    # of another program's doing
        yield
    finally:
        process.terminate()
        process.wait()
