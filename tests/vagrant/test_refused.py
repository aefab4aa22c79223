# Part of mftd; see LICENSE.
"""What `vagrant up` refuses, with a word on what to do, and nothing made."""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import place_with
from test_cluster import wait_until
from world import VAGRANT


def refused(place, *words, env=None, provider="lxc", there=()):
    links = place.links()
    done = place.vagrant("up", f"--provider={provider}", env=env)
    assert done.returncode != 0, done.stdout
    for word in words:
        assert word in done.stdout, done.stdout
    assert place.containers() == list(there)
    assert {p.name for p in (place.directory / "lxc").iterdir()} == set(there)
    assert place.links() == links
    assert not (place.dot / "mft").exists()
    wait_until("no BMC is left", lambda: "ipmi_sim" not in place.processes())


@pytest.fixture(scope="module")
def bad_home(scratch):
    """Vagrant's own directory, with boxes of which nothing can be made."""
    home = scratch / "bad-home"
    box = scratch / "bad"
    box.mkdir()
    for name in ("lxc-config", "lxc-template"):
        shutil.copy(VAGRANT / "box" / name, box)
    (box / "rootfs.tar.gz").write_text("no archive")
    (box / "Vagrantfile").touch()
    for about in ({"provider": "lxc", "version": "1.0.0"},
                  {"provider": "libvirt", "format": "qcow2",
                   "virtual_size": 8}):
        (box / "metadata.json").write_text(json.dumps(about))
        subprocess.run(["tar", "-C", box, "-cf", scratch / "bad.box", "."],
                       check=True)
        subprocess.run(["vagrant", "box", "add", "--name", "mftd-cluster",
                        scratch / "bad.box"], check=True, cwd=scratch,
                       env={**os.environ, "VAGRANT_HOME": str(home),
                            "VAGRANT_CHECKPOINT_DISABLE": "1"})
    return home


@pytest.fixture
def bad(scratch, bad_home):
    for world in place_with(scratch, bad_home):
        package = scratch / "any.deb"
        package.touch()
        world.settings(f"package: {package}\n")
        yield world


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


@pytest.mark.parametrize("provider", ["lxc", "libvirt"])
def test_missing_plugin(place, provider):
    refused(place, f"vagrant-{provider}", "apt install",
            env={"VAGRANT_NO_PLUGINS": "1"}, provider=provider)


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


def test_network_of_the_plugin(place):
    place.settings("network: 192.168.121")
    refused(place, "network", "vagrant-libvirt", provider="libvirt")
    place.settings("")


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


def test_no_libvirtd(bad):
    refused(bad, "no libvirt at qemu:///system", provider="libvirt")


def test_no_container_could_be_made(bad):
    refused(bad, "database could not be made: gzip: stdin: not in gzip format",
            "`vagrant destroy -f` takes all away")


def test_name_of_another_container(bad):
    other = f"{bad.name}-database"
    assert bad.run("lxc-create", "-n", other, "-t", "none").returncode == 0
    refused(bad, f"lxc-destroy --name {other}", there=[other])


def test_other_settings_than_it_was_made_with(world, scratch):
    package = scratch / "any.deb"
    package.touch()
    world.settings(f"package: {package}\n")
    links = world.links()
    done = world.vagrant("up", "storage", "--no-provision", "--provider=lxc")
    assert done.returncode == 0, done.stdout
    world.settings("nodes: 2\n")
    for argv in (("up", "--provider=lxc"), ("destroy", "-f")):
        done = world.vagrant(*argv)
        assert done.returncode != 0, done.stdout
        assert "nodes: 2 will not do" in done.stdout, done.stdout
        assert world.containers() == [f"{world.name}-storage"]
    world.settings("")
    done = world.vagrant("destroy", "-f")
    assert done.returncode == 0, done.stdout
    assert world.containers() == []
    assert world.links() == links
