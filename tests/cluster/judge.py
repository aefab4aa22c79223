# Part of mftd; see LICENSE.
"""The judge: compares what clients were told with storage, partner, catalog."""
import collections
import json
import re

from lab import plan

INBOX = "/home/acme/inbox"
_SUM = re.compile(r"^([0-9a-f]{64}) [ *](.+)$", re.M)
_RENAME = re.compile(r'\brename old "([^"]+)" new "([^"]+)"')


def sums(lab, host, directory):
    """{name: sha256} of the files in a host's directory."""
    out = lab.check(host, "find", directory, "-maxdepth", "1", "-type", "f",
                    "-exec", "sha256sum", "{}", "+")
    return {path.rsplit("/", 1)[1]: digest for digest, path in
            _SUM.findall(out)}


def renames(lab):
    """How often each final name came into being at the partner."""
    with open(lab.path("partner", "/var/log/syslog"), encoding="utf-8",
              errors="replace") as f:
        return collections.Counter(
            new.rsplit("/", 1)[1] for _, new in _RENAME.findall(f.read()))


def deliveries(lab, node):
    """Rows of the catalog, as mftctl lists them."""
    out = lab.check(node, "mftctl", "-j", "delivery", "list")
    return [json.loads(line) for line in out.splitlines()]


def verdict(lab, node, uploads):
    """The report's counts (README).  node: one that is up."""
    told = {u.name: u.sha256 for u in uploads if u.acknowledged}
    stored = sums(lab, node, f"{plan.STORAGE}/alice")
    arrived = sums(lab, plan.PARTNER, INBOX)
    times = renames(lab)
    unseen = [name for name in arrived if not times[name]]
    assert not unseen, f"no rename of {unseen[:3]} in the partner's log"
    states = collections.Counter(d["state"] for d in deliveries(lab, node))
    return {
        "acknowledged": len(told),
        "lost": sum(name not in stored for name in told),
        "corrupt": sum(stored.get(n, s) != s or arrived.get(n, s) != s
                       for n, s in told.items()),
        "delivered": sum(arrived.get(n) == s for n, s in told.items()),
        "duplicated": sum(max(0, times[n] - 1) for n in arrived),
        "in_doubt": states["IN_DOUBT"],
    }


def all_delivered(lab, uploads):
    """Whether every acknowledged name stands at the partner."""
    there = set(lab.check(plan.PARTNER, "ls", INBOX).split())
    return all(u.name in there for u in uploads if u.acknowledged)
