# Part of mftd; see LICENSE.
"""The install tree that the nodes get, when none was given.

Built from a copy of the checkout, so that neither a configured checkout nor
a build that stopped half-way is in the way. The copy keeps times: the next
build does only what changed.
"""
import fcntl
import os
import shutil
import subprocess

from .state import LabError

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
_BUILD = os.path.join(CHECKOUT, "tests", "lab", ".build")
_CONFIGURE = ["./configure", "--prefix=/usr", "--sysconfdir=/etc",
              "--localstatedir=/var"]


def _files():
    """Relative names of what belongs to the checkout."""
    git = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", CHECKOUT, "ls-files", "-z",
         "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if git.returncode == 0:
        return [n for n in git.stdout.split("\0") if n]
    return [os.path.relpath(os.path.join(top, n), CHECKOUT)
            for top, dirs, names in os.walk(CHECKOUT)
            if not top.startswith(_BUILD) for n in names]


def _copy(source):
    for name in _files():
        old, new = os.path.join(CHECKOUT, name), os.path.join(source, name)
        if not os.path.isfile(old):
            continue
        if not os.path.exists(new) \
                or os.stat(new).st_mtime != os.stat(old).st_mtime:
            os.makedirs(os.path.dirname(new), exist_ok=True)
            shutil.copy2(old, new)


def install(tree):
    """Build, and install into `tree` (DESTDIR); one builder at a time."""
    os.makedirs(_BUILD, exist_ok=True)
    source = os.path.join(_BUILD, "src")
    with open(os.path.join(_BUILD, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _copy(source)
        if not os.path.exists(os.path.join(source, "configure")):
            _run(source, "./autogen.sh")
        if not os.path.exists(os.path.join(source, "config.status")):
            _run(source, *_CONFIGURE)
        _run(source, "make", "-s", f"-j{os.cpu_count()}")
        _run(source, "make", "-s", "install", f"DESTDIR={tree}")


def _run(source, *argv):
    done = subprocess.run(argv, cwd=source, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(argv)} failed:\n{done.stdout[-4000:]}")
