# Part of mftd; see LICENSE.
"""Write the hosts' own files, before their first power-on."""
import os
import subprocess
import uuid

from . import plan

_VAR = ("cache", "lib", "log", "spool", "tmp", "lib/mft")


def put(path, text, mode=0o644, uid=0, gid=0):
    """Write a file whole, making its directories."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode),
              "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    os.chown(path, uid, gid)


def make(path, mode=0o755, uid=0, gid=0):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    os.chown(path, uid, gid)


def hide_lower(path):
    """A directory of an upper layer that shows nothing from below it."""
    make(path)
    os.setxattr(path, "trusted.overlay.opaque", b"y")


def keypair(path, comment):
    """A new ed25519 key; returns the public line without its comment."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
                    comment, "-f", path], check=True,
                   stdin=subprocess.DEVNULL)
    with open(path + ".pub", encoding="ascii") as f:
        return " ".join(f.read().split()[:2])


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def prepare_host(mine, name, nodes, users):
    """What every host has; users: (name, uid, home, shell) to add."""
    for d in ("etc", "etc.work", "var", "home", "mnt"):
        make(f"{mine}/{d}")
    make(f"{mine}/root", 0o700)
    for d in _VAR:
        make(f"{mine}/var/{d}")
    os.chmod(f"{mine}/var/tmp", 0o1777)
    os.symlink("/run", f"{mine}/var/run")
    os.symlink("/run/lock", f"{mine}/var/lock")
    etc = f"{mine}/etc"
    put(f"{etc}/hostname", f"{name}\n")
    put(f"{etc}/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
    put(f"{etc}/resolv.conf", "")
    put(f"{etc}/hosts", "127.0.0.1 localhost\n" + "".join(
        f"{plan.address(n)} {n}\n" for n in [*nodes, plan.DB, plan.PARTNER]))
    _add_users(etc, users)


def _add_users(etc, users):
    """passwd, group and shadow: the machine's, and the lab's users."""
    names = {u[0] for u in users}
    lines = {"passwd": [], "group": [], "shadow": []}
    for name, uid, home, shell in users:
        lines["passwd"].append(f"{name}:x:{uid}:{uid}::{home}:{shell}\n")
        lines["group"].append(f"{name}:x:{uid}:\n")
        lines["shadow"].append(f"{name}:*:19000:0:99999:7:::\n")
    for file, added in lines.items():
        kept = [line for line in text_of(f"/etc/{file}").splitlines(True)
                if line.split(":")[0] not in names]
        mode = 0o600 if file == "shadow" else 0o644
        put(f"{etc}/{file}", "".join(kept + added), mode)
