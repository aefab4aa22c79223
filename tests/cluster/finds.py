# Part of mftd; see LICENSE.
"""Where the lab's files are found: a folder on the shared storage, and folders
of the partner's; who puts them there, and what is to be seen afterwards."""
import contextlib
import os
import random
import threading

from history import listing
from lab import mftd, plan
from lab.files import make

FOLDER = "drop/in"
HOME = "/home/acme"
KINDS = ("keep", "delete", "move")      # what becomes of those fetched
TAKEN = "taken"
NAMES = 12      # in all these places
VERSIONS = 90
PAUSE_S = 0.4
OLD = 1500000000
OBJECTS = "/etc/mft/finds.yaml"
_LOOK = """  - name: look
    from_folder: {{volume: main, path: {folder}, every_s: 1, stable_s: 1}}
    partner: acme
    directory: inbox
    if_exists: overwrite
"""
_PULL = """  - name: {kind}
    from_partner:
      partner: acme
      directory: {kind}
      volume: main
      every_s: 1
      stable_s: 1
      fetched: {kind}
{more}    partner: acme
    directory: inbox
    if_exists: overwrite
"""


@contextlib.contextmanager
def routes(lab):
    """With these the lab's objects are."""
    make(lab.storage_path(FOLDER), 0o755, plan.MFT_UID, plan.MFT_UID)
    for name in (*KINDS, TAKEN):
        make(lab.path(plan.PARTNER, f"{HOME}/{name}"), 0o755,
             plan.PARTNER_UID, plan.PARTNER_UID)
    objects = lab.check("n1", "cat", "/etc/mft/objects.yaml")
    lab.check("n1", "tee", OBJECTS, input=objects + _LOOK.format(
        folder=FOLDER) + "".join(_PULL.format(
            kind=kind, more=f"      move_to: {TAKEN}\n" if kind == "move"
            else "") for kind in KINDS))
    lab.check("n1", "mftctl", "apply", OBJECTS)
    yield
    mftd.apply_objects(lab, next(n for n in lab.nodes() if lab.powered(n)))


def seen(lab):
    """As history/found.py wants it."""
    def there(name):
        return listing.listing(lab.path(plan.PARTNER, f"{HOME}/{name}"))
    found = {FOLDER: {"routes": ["look"], "there": listing.listing(
        lab.storage_path(FOLDER))}}
    for kind in KINDS:
        found[f"acme:{kind}"] = {
            "routes": [kind], "directory": kind, "fetched": kind,
            "there": there(kind),
            **({"taken": there(TAKEN)} if kind == "move" else {})}
    return found


def clean(lab):
    """Of the next run it is not."""
    for top in (lab.storage_path(FOLDER), *(
            lab.path(plan.PARTNER, f"{HOME}/{name}")
            for name in (*KINDS, TAKEN))):
        for name in os.listdir(top):
            os.unlink(os.path.join(top, name))


def staged(run):
    """What is being brought from where it was found."""
    top = run.lab.storage_path(".mft/staged")
    return [name for _, _, names in os.walk(top) for name in names]


def appear(path, data, mtime_s):
    """A partner's file, at once."""
    # beside it, where nobody looks
    fresh = os.path.join(os.path.dirname(os.path.dirname(path)), "fresh")
    with open(fresh, "wb") as f:
        f.write(data)
    os.chown(fresh, plan.PARTNER_UID, plan.PARTNER_UID)
    os.chmod(fresh, 0o644)
    os.utime(fresh, (mtime_s, mtime_s))
    os.rename(fresh, path)


class Writer:
    """`with Writer(run, seed)`: versions come everywhere meanwhile, and some
    more after that."""

    def __init__(self, run, seed):
        self.run = run
        self.seed = seed
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _work(self):
        for n in range(VERSIONS):
            if n >= NAMES:
                self._over.wait(PAUSE_S)
                if self._over.is_set():
                    break
            self._put(n)

    def _put(self, n):
        size = self._chance.choice((0, 1000, 100000, 8 << 20))
        data = self._chance.randbytes(size)
        where = (FOLDER, *KINDS)[n % (1 + len(KINDS))]
        # of one of them each name is of one place
        name = f"{where[:4].strip('/')}{self.seed}-{n % NAMES}"
        if where == FOLDER:
            self.run.place(FOLDER, name, data)
            path = self.run.lab.storage_path(f"{FOLDER}/{name}")
        else:
            self.run.place(f"acme:{where}", name, data)
            path = self.run.lab.path(plan.PARTNER, f"{HOME}/{where}/{name}")
        appear(path, data, OLD + n)
