# Part of mftd; see LICENSE.
"""Two nodes and one name: the last acknowledged upload wins."""
import clients
import system
from lab import plan


def content(lab, node, name):
    return lab.check(node, "cat", f"{plan.STORAGE}/alice/{name}").strip()


def put(lab, node, text, name):
    lab.check("partner", "tee", f"/root/{text}", input=text)
    return clients.sftp(lab, plan.address(node), f"put /root/{text} {name}\n")


def test_older_publish_never_replaces_a_newer_one(lab):
    """n1's journal hangs with a publish on its way; n2 publishes the name
    meanwhile; when n1 goes on, its upload is refused."""
    journal = system.pids(lab, "n1", "journal")[0]
    lab.check("partner", "tee", "/root/old", input="old")
    client = lab.popen("partner", [
        "sftp", "-b", "-", f"alice@{plan.address('n1')}"], stdin=-1,
        stdout=-1, stderr=-1, text=True)
    client.stdin.write("pwd\n")
    client.stdin.flush()
    system.wait(lambda: system.pids(lab, "n1", "session"), "the session")
    lab.check("n1", "kill", "-STOP", str(journal))
    try:
        client.stdin.write("put /root/old same\n")
        client.stdin.close()
        client.stdin = None
        done = put(lab, "n2", "new", "same")
        assert done.returncode == 0, done.stderr
    finally:
        lab.check("n1", "kill", "-CONT", str(journal))
    client.communicate(timeout=60)
    # either it was refused, or it was a later upload of its own
    wanted = "old" if client.returncode == 0 else "new"
    assert content(lab, "n2", "same") == wanted


def test_lost_node_leaves_nothing_that_publishes_later(lab):
    """A node is lost in the middle of an upload; the name is uploaded anew
    elsewhere; after recovery and return it is still the newer one."""
    big = clients.make_files(lab, 1, 64 << 20, 64 << 20, seed=77)[0]
    client = lab.popen("partner", [
        "sftp", "-l", "40000", "-b", "-", f"alice@{plan.address('n1')}"],
        stdin=-1, stdout=-1, stderr=-1, text=True)
    client.stdin.write(f"put {clients.OUT}/{big.name} again\n")
    client.stdin.flush()
    system.wait(lambda: lab.check(
        "n2", "find", f"{plan.STORAGE}/.mft/parts", "-type", "f", "-size",
        "+1M").strip(), "the part grows")
    lab.power_off("n1")
    client.kill()
    client.communicate()
    done = put(lab, "n2", "anew", "again")
    assert done.returncode == 0, done.stderr
    lab.wait_fenced("n1")
    system.wait(lambda: not lab.check(
        "n2", "find", f"{plan.STORAGE}/.mft/parts", "-type", "f").strip(),
        "the lost node's part is set aside", 60)
    assert content(lab, "n2", "again") == "anew"
    lab.power_on("n1", wait=True)
    system.wait_serving(lab)
    assert content(lab, "n1", "again") == "anew"
