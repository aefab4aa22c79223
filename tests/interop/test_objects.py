# Part of mftd; see LICENSE.
"""`mftctl apply`: a wrong file names line and field and changes nothing."""
import pytest
from rig import Rig

GOOD = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
"""
WRONG = {
    "unknown field": (GOOD + "    colour: red\n", 6, "colour"),
    "no such account": (GOOD + "partners: []\nroutes:\n  - name: r\n"
                        "    account: bob\n    partner: p\n", None, "account"),
    "unknown volume": (GOOD.replace("volume: main", "volume: other"), 3,
                       "volume"),
    "bad key": (GOOD.replace("{key}", "ssh-ed25519 nonsense"), 5, "keys"),
    "bad name": (GOOD.replace("alice\n    volume", "a/b\n    volume"), 2,
                 "name"),
    "root leads out": (GOOD.replace("root: alice", "root: ../etc"), 4, "root"),
    "root is the volume": (GOOD.replace("root: alice", "root: ."), 4, "root"),
    "root is .mft": (GOOD.replace("root: alice", "root: .mft/parts"), 4,
                     "root"),
    "not YAML": ("accounts: [\n", None, ""),
    "twice": (GOOD + GOOD.split("\n", 1)[1], 6, "name"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_file_changes_nothing(case):
    text, line, field = WRONG[case]
    with Rig() as rig:
        rig.mftctl("apply", rig.accounts(GOOD.replace("{key}", rig.alice)))
        path = rig.accounts(text.replace("{key}", rig.alice))
        done = rig.mftctl("apply", path, check=False)
        assert done.returncode == 1
        place = f"{path}:{line}:" if line else f"{path}:"
        assert place in done.stderr, done.stderr
        assert field in done.stderr.split(place, 1)[1], done.stderr
        rig.start()
        assert rig.sftp("pwd\n").returncode == 0
        status = rig.wait_status(
            lambda s: s["catalog"]["config_version"] > 0, "a snapshot")
        assert status["catalog"]["config_version"] == 1


def test_daemon_takes_a_new_file_at_once():
    with Rig() as rig:
        rig.up()
        assert rig.sftp("pwd\n", user="bob").returncode != 0
        rig.mftctl("apply", rig.accounts(
            GOOD.replace("{key}", rig.alice).replace("alice", "bob")))
        rig.wait_status(lambda s: s["catalog"]["config_version"] == 2,
                        "version 2")
        assert rig.sftp("pwd\n", user="bob").returncode == 0
        assert rig.sftp("pwd\n", user="alice").returncode != 0
