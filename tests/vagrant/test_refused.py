# Part of mftd; see LICENSE.
"""What `vagrant up` refuses, with a word on what to do, and nothing made."""
import re

import pytest


def refused(place, *words, env=None, provider="lxc"):
    before = place.links()
    done = place.vagrant("up", f"--provider={provider}", env=env)
    assert done.returncode != 0, done.stdout
    for word in words:
        assert word in done.stdout, done.stdout
    assert place.containers() == []
    assert place.links() == before
    assert not (place.dot / "mft").exists()


def test_valid_for_lxc_and_libvirt(place):
    for provider in ("lxc", "libvirt"):
        done = place.vagrant("validate",
                             env={"VAGRANT_DEFAULT_PROVIDER": provider})
        assert done.returncode == 0, done.stdout


def test_no_name_is_taken_for_a_uuid(place):
    """Vagrant asks its index of machines first, which takes a beginning of a
    UUID, too: "db" was n2 in one of some fifty runs."""
    said = place.vagrant("status", "--machine-readable").stdout
    names = set(re.findall(r"^\d+,([^,]+),state,", said, re.M))
    assert len(names) == 6, said
    assert [n for n in names if re.fullmatch("[0-9a-f]+", n)] == []


def test_valid_for_virtualbox(place):
    done = place.vagrant("validate", "--ignore-provider",
                         env={"VAGRANT_DEFAULT_PROVIDER": "virtualbox"})
    assert done.returncode == 0, done.stdout


def test_missing_plugin(place):
    refused(place, "vagrant-lxc", "apt install",
            env={"VAGRANT_NO_PLUGINS": "1"})


def test_missing_box(place):
    place.settings("")
    refused(place, "no mftd-cluster", "box/build")


def test_missing_box_for_libvirt(place):
    refused(place, "no mftd-cluster for libvirt", "box/build -p libvirt",
            provider="libvirt")


@pytest.mark.parametrize("text, words", [
    ("nodes: 9", ("nodes", "2 to 8")),
    ("memory_mb: {node: 100}", ("node", "512")),
    ("colour: red", ("colour", "no such setting")),
    ("storage: nfs", ("storage", "gluster")),
])
def test_wrong_setting(place, text, words):
    place.settings(text)
    refused(place, *words)


def test_too_little_memory(world):
    world.settings("memory_mb: {node: 10000000}")
    refused(world, "Too little memory", "memory_mb")


def test_missing_package(world):
    world.settings("package: /nowhere/mftd.deb")
    refused(world, "package: /nowhere/mftd.deb")


def test_range_in_use(world):
    for argv in (("link", "add", "other", "type", "bridge"),
                 ("address", "add", "192.168.58.77/25", "dev", "other"),
                 ("link", "set", "other", "up")):
        assert world.run("ip", *argv).returncode == 0
    refused(world, "192.168.58.0/24 is in use", "local.yaml")
