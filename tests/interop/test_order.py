# Part of mftd; see LICENSE.
"""A route that keeps an order does so at the partner, whoever delivers."""
import json
import os
import random

import pytest
from databases import Postgres
from rig import Rig, USER, wait_for
from sshd import Sshd

PATIENCE_S = 120
FILES = 24
LARGE = 12 << 20
_OBJECTS = """accounts:
  - {{name: alice, volume: main, root: alice, keys: ["{key}"]}}
partners:
{partner}routes:
  - {{name: out, account: alice, partner: acme, directory: in, settle_s: 0,
      ordered: true}}
"""


@pytest.fixture(name="rig", params=["sqlite", "postgresql"])
def _rig(request):
    with Sshd(USER) as partner:
        if request.param == "sqlite":
            with Rig() as rig:
                yield rig, partner
        else:
            with Postgres() as database, Rig(catalog=database.uri) as rig:
                yield rig, partner


def states(rig):
    done = rig.mftctl("-j", "delivery", "list")
    return [json.loads(line)["state"] for line in done.stdout.splitlines()]


def wait_done(rig, count):
    wait_for(f"{count} DONE", lambda: states(rig).count("DONE") >= count,
             PATIENCE_S, lambda: states(rig))


def queue(rig, action):
    done = rig.control(cmd="service", service="outbound", action=action)
    assert done["ok"], done


def test_order_is_that_of_the_uploads(rig):
    """Names that are in no order; outbound killed and the queue handed on
    between them."""
    rig, partner = rig
    rig.up(_OBJECTS.format(key=rig.alice, partner=partner.objects()))
    names = [f"f{k}" for k in range(FILES)]
    random.Random(5).shuffle(names)
    # large ones go by themselves: others could overtake them
    (rig.top / "0").write_bytes(bytes(LARGE))
    (rig.top / "1").write_bytes(b"content")
    queue(rig, "demote")
    done = rig.sftp("".join(
        f"put {rig.top}/{min(k % 3, 1)} {name}\n"
        for k, name in enumerate(names)))
    assert done.returncode == 0, done.stderr
    queue(rig, "promote")
    wait_done(rig, FILES // 3)
    rig.kill("outbound")
    wait_done(rig, FILES * 2 // 3)
    queue(rig, "demote")
    queue(rig, "promote")
    wait_done(rig, FILES)
    # one that was under way when its deliver died is asked for again
    asked = dict.fromkeys(map(os.path.basename, partner.renames()))
    assert list(asked) == names
