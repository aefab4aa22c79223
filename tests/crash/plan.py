# Part of mftd; see LICENSE.
"""What a client is to do: the same for the same seed, whatever the time."""
import dataclasses
import hashlib
import os
import random

POOL_BYTES = 24 << 20
# 261120 is what one WRITE may carry
SIZES = [(1, 300), (301, 40_000), (40_001, 261_121), (261_122, 1 << 20),
         (1 << 20, 4 << 20)]
WEIGHTS = [3, 4, 3, 2, 1]


@dataclasses.dataclass(frozen=True, eq=False)
class Op:
    """What is to be asked, in the recorder's words."""
    kind: str
    name: str
    source: os.PathLike = None      # of a put: the local file
    size: int = 0
    sha256: str = ""
    to: str = ""

    def words(self):
        """What an ask says besides kind and name."""
        return {word: value for word in ("size", "sha256", "to")
                if (value := getattr(self, word)) or
                word == "size" and self.kind == "put"}

    def __str__(self):
        return " ".join([self.kind, self.name, *(
            f"{k}={v}" for k, v in self.words().items())])


def pool(seed):
    """What all files are cut from; large, so there is one for many rounds."""
    return random.Random(seed).randbytes(POOL_BYTES)


class Sources:
    """Local files; no two blocks of one are the same, nor two files."""

    def __init__(self, from_pool, where):
        self.pool, self.where = from_pool, where

    def make(self, rng, name, size):
        """Path, size and sum of a new file with that many bytes."""
        at = rng.randrange(POOL_BYTES - size + 1)
        tag = name.encode()[:size]
        data = tag + self.pool[at:at + size - len(tag)]
        path = self.where / name.replace("/", "_")
        path.write_bytes(data)
        return path, size, hashlib.sha256(data).hexdigest()


class Plan:
    """Operations on names below `directory`, one after the other, each as if
    those before it had succeeded."""

    def __init__(self, rng, sources, directory):
        self.rng, self.sources, self.directory = rng, sources, directory
        self.there = []     # names of files
        self.count = 0

    def name(self, suffix=""):
        """A new one; its last component occurs nowhere else."""
        self.count += 1
        actor = self.directory.split("/")[0]
        return f"{self.directory}/{actor}-{self.count}{suffix}"

    def size(self):
        return self.rng.randint(*self.rng.choices(SIZES, WEIGHTS)[0])

    def put(self, name, size=None):
        size = self.size() if size is None else size
        label = f"{name}.{self.count}"
        if name not in self.there:
            self.there.append(name)
        return Op("put", name, *self.sources.make(self.rng, label, size))

    def fresh(self):
        return [self.put(self.name())]

    def empty(self):
        return [self.put(self.name(), 0)]

    def overwrite(self):
        if not self.there:
            return self.fresh()
        self.count += 1     # for another label
        return [self.put(self.rng.choice(self.there))]

    def renamed(self):
        """As many clients upload: to another name first."""
        name = self.name()
        put = self.put(f"{name}.filepart")
        self.there[-1] = name
        return [put, Op("posix-rename", put.name, to=name)]

    def rename_over(self):
        if len(self.there) < 2:
            return self.fresh()
        old, new = self.rng.sample(self.there, 2)
        self.there.remove(old)
        return [Op("posix-rename", old, to=new)]

    def remove(self):
        if not self.there:
            return self.fresh()
        name = self.rng.choice(self.there)
        self.there.remove(name)
        return [Op("remove", name)]

    def mkdir(self):
        """What comes next goes into it."""
        self.count += 1
        self.directory = f"{self.directory.split('/')[0]}/d{self.count}"
        return [Op("mkdir", self.directory)]

    def steps(self, *ways, count):
        """About count operations, made in some of these ways."""
        ops = []
        while len(ops) < count:
            ops += self.rng.choice(ways)()
        return ops
