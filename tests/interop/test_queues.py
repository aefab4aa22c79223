# Part of mftd; see LICENSE.
"""Several outbound queues on one machine: each has its own process, lock and
epoch, and what happens to one leaves the other alone.  On both databases."""
import contextlib
import os
import signal
import subprocess

import pytest

from databases import Postgres
from rig import inodes, Rig, USER
from sshd import Sshd

QUEUES = ("banks", "shops")
_ROUTES = "routes:\n" + "".join(
    f"  - name: to-{queue}\n    account: alice\n    partner: acme\n"
    f"    directory: {queue}\n    queue: {queue}\n    settle_s: 0\n"
    for queue in QUEUES)


@pytest.fixture(scope="module", name="partner")
def _partner():
    with Sshd(USER) as partner:
        for queue in QUEUES:
            (partner.home / queue).mkdir()
        yield partner


@pytest.fixture(params=["sqlite", "postgres"], name="uri")
def _uri(request):
    with contextlib.ExitStack() as stack:
        yield (stack.enter_context(Postgres()).uri
               if request.param == "postgres" else None)


@pytest.fixture(name="rig")
def _rig(uri, partner):
    with Rig(catalog=uri) as rig:
        rig.configure(f"queues: [{', '.join(QUEUES)}]")
        rig.up(objects(rig, partner))
        rig.wait_status(lambda s: all(epochs(s).values()), "epochs raised")
        yield rig
    for queue in QUEUES:
        for name in partner.names(queue):
            (partner.home / queue / name).unlink()


def objects(rig, partner):
    return (rig.accounts().read_text() + "partners:\n" + partner.objects()
            + _ROUTES)


def by_name(status):
    return {q["queue"]: q for q in status["queues"]}


def epochs(status):
    return {name: q["epoch"] for name, q in by_name(status).items()}


def upload(rig, name):
    (rig.top / "file").write_text(name)
    done = rig.sftp(f"put {rig.top}/file {name}\n")
    assert done.returncode == 0, done.stderr


def wait_delivered(rig, queue, count):
    return rig.wait_status(
        lambda s: by_name(s)[queue].get("delivered") == count,
        f"{count} delivered by {queue}")


def service(rig, action, queue):
    return rig.control(cmd="service", service="outbound", queue=queue,
                       action=action, deadline_ms=20000)


def owner(rig, queue):
    """The process that holds the queue's lock."""
    with open(rig.top / f"run/outbound-{queue}.lock", "rb") as f:
        inode = os.fstat(f.fileno()).st_ino
    return {pid for pid in rig.pids("outbound") if inode in inodes(pid)}


def test_both_are_served(rig, partner):
    for k in range(3):
        upload(rig, f"f{k}")
    for queue in QUEUES:
        wait_delivered(rig, queue, 3)
        assert partner.names(queue) == ["f0", "f1", "f2"]
    status = rig.wait_status(
        lambda s: all(q["waiting"] == 0 for q in s["queues"]), "nothing left")
    assert {(q["queue"], q["node"], q["epoch"]) for q in status["queues"]} == {
        ("banks", "solo", 1), ("shops", "solo", 1)}
    assert {(r["queue"], r["role"]) for r in status["roles"]
            if r["service"] == "outbound"} == {
        ("banks", "promoted"), ("shops", "promoted")}


def test_one_is_demoted(rig, partner):
    """Its deliveries wait, and are seen to; the other goes on as it is."""
    shops = owner(rig, "shops")
    answer = service(rig, "demote", "banks")
    assert (answer["ok"], answer["state"]) == (True, "started")
    upload(rig, "one")
    wait_delivered(rig, "shops", 1)
    status = rig.wait_status(
        lambda s: by_name(s)["banks"]["waiting"] == 1, "one waits")
    assert by_name(status)["banks"]["node"] == ""
    assert partner.names("banks") == []
    text = rig.mftctl("status").stdout
    assert ("queue banks: NO NODE HAS IT, epoch 0, 1 not finished"
            in text), text
    assert "queue shops: on solo, epoch 1, 0 queued" in text, text
    assert service(rig, "promote", "banks")["state"] == "promoted"
    status = wait_delivered(rig, "banks", 1)
    assert epochs(status) == {"banks": 2, "shops": 1}
    assert partner.names("banks") == ["one"]
    assert owner(rig, "shops") == shops


def test_one_is_stopped(rig):
    """Stopped is proven by its lock alone."""
    assert service(rig, "stop", "banks")["state"] == "stopped"
    assert service(rig, "monitor", "shops")["state"] == "promoted"
    upload(rig, "one")
    wait_delivered(rig, "shops", 1)
    assert len(owner(rig, "shops")) == 1 and owner(rig, "banks") == set()


def test_one_is_killed(rig, partner):
    before = owner(rig, "banks"), owner(rig, "shops")
    os.kill(*before[0], signal.SIGKILL)
    upload(rig, "one")
    for queue in QUEUES:
        wait_delivered(rig, queue, 1)
        assert partner.names(queue) == ["one"]
    status = rig.wait_status(lambda s: True, "a status")
    assert epochs(status) == {"banks": 2, "shops": 1}
    assert owner(rig, "shops") == before[1]
    assert owner(rig, "banks").isdisjoint(before[0])


def test_queue_that_is_named_no_more(rig, partner):
    """What waits in it is seen, and comes to no harm."""
    rig.stop()
    text = rig.conf.read_text()
    rig.conf.write_text(text.replace("queues: [banks, shops]",
                                     "queues: [shops]"))
    rig.start()
    upload(rig, "one")
    status = rig.wait_status(
        lambda s: by_name(s).get("banks", {}).get("waiting") == 1, "one waits")
    assert by_name(status)["banks"]["node"] == ""
    assert not (rig.top / "run/outbound-banks.lock").exists() or \
        owner(rig, "banks") == set()
    refused = rig.mftctl("apply", rig.accounts(objects(rig, partner)),
                         check=False)
    assert refused.returncode == 1
    assert "routes[0].queue: no such queue in mftd.yaml" in refused.stderr
    rig.stop()
    rig.conf.write_text(text)
    rig.start()
    wait_delivered(rig, "banks", 1)
    assert partner.names("banks") == ["one"]


def test_check_finds_the_queue(rig):
    def check(*args):
        done = subprocess.run(
            [rig.program("mftd"), "-t", "-f", rig.conf, *args], text=True,
            check=False, stderr=subprocess.PIPE)
        return done.returncode, done.stderr
    assert check() == (0, "mftd: queues: without default there can be no "
                       "hooks and no expected_by\n")
    assert check("-q", "banks") == (0, "")
    code, words = check("-q", "default")
    assert code == 3
    assert words == f"mftd: {rig.conf}: queues: there is no queue default\n"


@pytest.mark.parametrize("uri", ["postgres"], indirect=True)
def test_another_owner_of_one(rig, uri, partner):
    """Who lost one queue reports that, claims nothing of it, and still has the
    other."""
    with Rig(catalog=uri) as other:
        other.configure("queues: [banks]")
        other.launch()
        other.wait_status(lambda s: epochs(s)["banks"] == 2, "raised")
    # nobody has it now: one knows it yet, and one is gone
    upload(rig, "one")
    status = wait_delivered(rig, "shops", 1)
    assert epochs(status)["shops"] == 1
    status = rig.wait_status(
        lambda s: by_name(s)["banks"]["waiting"] == 1
        and by_name(s)["banks"]["stale"], "banks is stale, and one waits")
    assert service(rig, "monitor", "banks")["health"] == "refused"
    assert service(rig, "monitor", "shops")["health"] == "ok"
    upload(rig, "two")
    wait_delivered(rig, "shops", 2)
    assert partner.names("banks") == []
    # as Pacemaker would: the role is given up, and given anew
    for action in ("demote", "promote"):
        assert service(rig, action, "banks")["ok"]
    status = wait_delivered(rig, "banks", 2)
    assert epochs(status) == {"banks": 3, "shops": 1}
    assert partner.names("banks") == ["one", "two"]
