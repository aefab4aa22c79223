# Part of mftd; see LICENSE.
"""One `vagrant up` with LXC, from nothing to nothing."""
import re
import time
import xml.etree.ElementTree as xml

NODES = ("n1", "n2", "n3")
# What is loaded differs, and not how it goes on.
PCS = "shell: pcs\nnodes: 2\n"


def crm_mon(world, nodes=NODES):
    """What the first of the nodes that answers says."""
    for node in nodes:
        done = world.exec(node, "crm_mon", "-1", "--output-as=xml")
        if done.returncode == 0:
            return xml.fromstring(done.stdout[done.stdout.index("<"):])
    raise AssertionError("no node answers")


def promoted(root):
    return [node.get("name") for r in root.iter("resource")
            if r.get("id") == "outbound"
            and r.get("role") in ("Promoted", "Master")
            for node in r.findall("node")]


def online(root):
    return {n.get("name") for n in root.findall("nodes/node")
            if n.get("online") == "true" and n.get("unclean") == "false"}


def wait_until(what, true, timeout_s=180):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def send(world, node):
    done = world.exec("partner", "mft-send", f"mft-{node}")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^out: ", done.stdout, re.M), done.stdout


def destroy(world, links):
    done = world.vagrant("destroy", "-f")
    assert done.returncode == 0, done.stdout
    assert world.containers() == []
    assert world.links() == links
    wait_until("no BMC is left", lambda: "ipmi_sim" not in world.processes())
    assert not (world.dot / "mft").exists()
    assert list((world.directory / "lxc").iterdir()) == []


def test_up_halt_power_off_destroy(world, package):
    world.settings(f"package: {package}")
    links = world.links()
    done = world.vagrant("up", "--provider=lxc", timeout=900)
    assert done.returncode == 0, done.stdout
    assert "out: test-" in done.stdout, done.stdout

    root = crm_mon(world)
    assert root.find("summary/current_dc").get("with_quorum") == "true"
    assert online(root) == set(NODES)
    lost, = promoted(root)
    others = [n for n in NODES if n != lost]
    send(world, lost)

    # the second `up` changes nothing
    done = world.vagrant("up", "--provider=lxc")
    assert done.returncode == 0, done.stdout
    assert crm_mon(world).find("summary/current_dc").get("with_quorum") == "true"

    # its power is cut: it is fenced, and the file goes out from another one
    container = f"{world.name}-{lost}"
    assert world.run("lxc-stop", "-k", "-n", container).returncode == 0
    wait_until("another is promoted", lambda: [
        n for n in promoted(crm_mon(world, others)) if n != lost])
    fenced = world.exec(others[0], "stonith_admin", "--history", lost).stdout
    assert f"off of {lost} successful" in fenced, fenced
    send(world, lost)
    done = world.vagrant("up", lost)
    assert done.returncode == 0, done.stdout
    wait_until(f"{lost} is back", lambda: online(crm_mon(world, others))
               == set(NODES))

    # the promoted one is halted by its administrator
    halted, = promoted(crm_mon(world))
    others = [n for n in NODES if n != halted]
    assert world.vagrant("halt", halted).returncode == 0
    wait_until("another is promoted", lambda: [
        n for n in promoted(crm_mon(world, others)) if n != halted])
    send(world, halted)

    destroy(world, links)


def test_with_pcs(world, package):
    world.settings(f"{PCS}package: {package}")
    links = world.links()
    done = world.vagrant("up", "--provider=lxc", timeout=900)
    assert done.returncode == 0, done.stdout
    assert "out: test-" in done.stdout, done.stdout
    root = crm_mon(world)
    assert online(root) == set(NODES[:2])
    assert len(promoted(root)) == 1
    fencing = world.exec("n1", "pcs", "property", "show", "stonith-action")
    assert "stonith-action: off" in fencing.stdout, fencing.stdout
    destroy(world, links)
