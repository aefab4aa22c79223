# Part of mftd; see LICENSE.
"""What lies below a directory: names, sizes, sums.

Also a program, for a host that only sees itself:

usage: /usr/bin/python3 listing.py DIRECTORY [WITHOUT...]     prints JSON
"""
import hashlib
import json
import os
import stat
import sys

OWN = ".mft"        # mftd's own folder at the top of a volume


def listing(top, without=()):
    """{name below top: {"size", "sha256"} or {"directory": true}}; without
    what is in these directories."""
    found = {}
    for where, directories, files in os.walk(top, onerror=_fail):
        if where == str(top) and OWN in directories:
            directories.remove(OWN)
        if os.path.relpath(where, top) in without:
            directories.clear()
            continue
        for name in [*directories, *files]:
            path = os.path.join(where, name)
            found[os.path.relpath(path, top)] = entry(path)
    return found


def _fail(error):
    raise error


def entry(path):
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        return {"directory": True}
    if not stat.S_ISREG(mode):
        raise ValueError(f"neither file nor directory: {path}")
    with open(path, "rb") as f:
        digest = hashlib.sha256()
        size = 0
        while data := f.read(1 << 20):
            digest.update(data)
            size += len(data)
    return {"size": size, "sha256": digest.hexdigest()}


if __name__ == "__main__":
    json.dump(listing(sys.argv[1], sys.argv[2:]), sys.stdout)
