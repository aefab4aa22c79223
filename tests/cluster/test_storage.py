# Part of mftd; see LICENSE.
"""The watched volume under the real Pacemaker; and what the agents say of
nodes, when those forget it to whom it was said."""
import re

import pytest
import system
from lab import mftd, plan

NAME = "mft-storage"
MEMORY = "/run/resource-agents/mft-"
ILL = "n1"
CONFIRM_S = 25      # the monitor's interval, its deadline, and a bit


@pytest.fixture(scope="module", name="watched")
def _watched(whole_lab):
    lab = whole_lab
    mftd.load_topology(lab, "--storage", plan.STORAGE)
    wait_colors(lab, dict.fromkeys(lab.nodes(), "green"))
    yield
    lab.check("n1", "crm_resource", "-r", "storage-clone", "--meta", "-p",
              "target-role", "-v", "Stopped")
    lab.wait(lambda c: not c.where("storage"), "storage stopped")
    assert set(colors(lab).values()) == {None}
    lab.check("n1", "crm", "configure", "delete", "inbound-not-on-red",
              "storage-clone", "storage")


def attribute(lab, node, name):
    done = lab.exec("n3", ["crm_attribute", "-N", node, "-l", "reboot",
                           "-n", name, "-G", "-q"])
    return done.stdout.strip() if done.returncode == 0 else None


def colors(lab):
    return {node: attribute(lab, node, NAME) for node in lab.nodes()}


def wait_colors(lab, wanted):
    system.wait(lambda: colors(lab) == wanted, f"colors {wanted}", 120, 0.5)


def memory_inode(lab, node, name):
    return lab.check(node, "stat", "-c", "%i", MEMORY + name).strip()


def set_confirm(lab):
    """A reloadable parameter: no instance is stopped for it."""
    inodes = {n: memory_inode(lab, n, "storage-storage.run")
              for n in lab.nodes()}
    lab.check("n1", "crm_resource", "-r", "storage", "-p", "confirm", "-v",
              str(CONFIRM_S))

    def reloaded():
        log = lab.check("n1", "cat", "/var/log/pacemaker/pacemaker.log")
        return re.search(r"storage.*reload-agent: 0 after", log)
    system.wait(reloaded, "reload-agent on n1", 60, 0.5)
    assert inodes == {n: memory_inode(lab, n, "storage-storage.run")
                      for n in lab.nodes()}


def test_one_node_is_ill(lab, watched):
    """It is left, and comes back when it is well; nobody is fenced."""
    set_confirm(lab)
    fenced = system.fencings(lab, "n3")
    lab.check(ILL, "sh", "-c", f"mount --bind {plan.STORAGE} {plan.STORAGE} "
              f"&& mount -o remount,ro,bind {plan.STORAGE}")
    wait_colors(lab, {"n1": "yellow", "n2": "green", "n3": "green"})
    assert ILL in lab.cluster().where("inbound")
    wait_colors(lab, {"n1": "red", "n2": "green", "n3": "green"})
    lab.wait(lambda c: c.where("inbound") == {"n2", "n3"}
             and ILL not in c.where("outbound")
             and c.where(f"ip-{ILL}") == {"n2"}
             and c.where("storage") == set(lab.nodes()), "n1 left", 90)
    text = lab.check("n2", "crm_mon", "-1")
    assert "Read-only file system" in text and "another node is well" in text
    lab.check(ILL, "umount", plan.STORAGE)
    wait_colors(lab, dict.fromkeys(lab.nodes(), "green"))
    system.wait_serving(lab)
    assert system.fencings(lab, "n3") == fenced


def test_attribute_daemon_is_killed(lab, watched):
    """The scores of its node are said anew, though they are what they were."""
    node = next(iter(system.promoted(lab)))
    before = lab.check(node, "cat", MEMORY + "outbound-outbound.told")
    # the kernel keeps 15 bytes of a name
    pid = lab.check(node, "pgrep", "-x", "pacemaker-attrd"[:15]).strip()
    lab.check(node, "kill", "-KILL", pid)

    def said_again():
        done = lab.exec(node, ["cat", MEMORY + "outbound-outbound.told"])
        return done.returncode == 0 and done.stdout != before \
            and done.stdout
    after = system.wait(said_again, "its score is said again", 60, 0.2)
    # name, value and life as before; another socket
    assert after.split()[:3] == before.split()[:3]
    assert after.split()[3] not in ("0", before.split()[3])
    assert before.split()[3] != "0"
    system.wait(lambda: attribute(lab, node, "master-outbound") == "10",
                "the score is there", 60, 0.2)
    system.wait(lambda: attribute(lab, node, NAME) == "green",
                "the color is there", 60, 0.2)
