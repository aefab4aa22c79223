# Part of mftd; see LICENSE.
"""Two nodes and one name: the last acknowledged upload wins."""
import clients
import system
from history import recorder
from lab import plan


def content(lab, node, name):
    return lab.check(node, "cat", f"{plan.STORAGE}/alice/{name}").strip()


def put(run, node, text, name):
    client = run.client(text)
    upload = clients.make_file(run.lab, text, text.encode())
    for _ in range(10):     # as a partner's script would
        done = clients.put(run.lab, client, plan.address(node), upload, name)
        if done.returncode == 0:
            break
    return done


def test_older_publish_never_replaces_a_newer_one(run):
    """n1's journal is held back right before the rename of a publish; n2
    takes the name and publishes meanwhile; n1's rename then finds nothing."""
    lab = run.lab
    journal = system.pids(lab, "n1", "journal")[0]
    names = "rename,renameat,renameat2"
    tracer = lab.popen("n1", [
        "strace", "-qq", "-p", str(journal), "-o", "/tmp/trace", "-e",
        f"trace={names}", "-e", f"inject={names}:delay_enter=5000000"])
    system.wait(lambda: traced(lab, "n1", journal), "the tracer")
    upload = clients.make_file(lab, "old", b"old")
    client = run.client("old")
    number = clients.ask(client, plan.address("n1"), upload, "same")
    old = clients.interactive(lab, plan.address("n1"))
    try:
        old.stdin.write(f"put {clients.OUT}/old same\n")
        old.stdin.flush()
        system.wait(lambda: lab.exec(
            "n1", ["grep", "-q", "same", "/tmp/trace"]).returncode == 0
            or part_is_whole(lab, "old"), "the publish is under way")
        done = put(run, "n2", "new", "same")
        assert done.returncode == 0, done.stderr
        assert old.poll() is None, "the older one was not held back"
        assert content(lab, "n2", "same") == "new"
        old.communicate(timeout=60)
        client.told(number, recorder.told_by_exit(old.returncode))
    finally:
        tracer.terminate()
        tracer.wait()
    assert old.returncode != 0, "the older upload was acknowledged"
    assert content(lab, "n2", "same") == "new"


def traced(lab, node, pid):
    status = lab.check(node, "cat", f"/proc/{pid}/status")
    return "TracerPid:\t0\n" not in status


def part_is_whole(lab, text):
    """The part has its bytes: CLOSE comes next."""
    out = lab.check("n2", "find", f"{plan.STORAGE}/.mft/parts", "-type", "f",
                    "-size", f"-{len(text) + 1}c", "-size",
                    f"+{len(text) - 1}c")
    return bool(out.strip())


def test_lost_node_leaves_nothing_that_publishes_later(run):
    """A node is lost in the middle of an upload; the name is uploaded anew
    elsewhere; after recovery and return it is still the newer one."""
    lab = run.lab
    big = clients.make_files(lab, 1, 64 << 20, 64 << 20, seed=77)[0]
    clients.ask(run.client("big"), plan.address("n1"), big, "again")
    client = clients.interactive(lab, plan.address("n1"), "-l", "40000")
    client.stdin.write(f"put {clients.OUT}/{big.name} again\n")
    client.stdin.flush()
    system.wait(lambda: lab.check(
        "n2", "find", f"{plan.STORAGE}/.mft/parts", "-type", "f", "-size",
        "+1M").strip(), "the part grows")
    lab.power_off("n1")
    client.kill()
    client.communicate()
    done = put(run, "n2", "anew", "again")
    assert done.returncode == 0, done.stderr
    lab.wait_fenced("n1")
    system.wait(lambda: not lab.check(
        "n2", "find", f"{plan.STORAGE}/.mft/parts", "-type", "f").strip(),
        "the lost node's part is set aside", 60)
    assert content(lab, "n2", "again") == "anew"
    lab.power_on("n1", wait=True)
    system.wait_serving(lab)
    assert content(lab, "n1", "again") == "anew"
