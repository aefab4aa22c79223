# Part of mftd; see LICENSE.
"""Links in .mft/out that a power cut brought back go away again; those that
are needed, or that no catalog knows yet, stay."""
import os
import time

from partner import Partner
from rig import START_S, Rig


def wait_until(predicate, rig):
    deadline = time.monotonic() + START_S
    while not predicate():
        assert time.monotonic() < deadline, rig.log_tail()
        time.sleep(0.05)


def test_released_link_is_removed_again():
    with Rig() as rig, Partner() as partner:
        out = rig.volume / ".mft/out"
        rig.up(partner.objects(rig.alice, key_file=partner.key))
        (rig.top / "file").write_text("some bytes")
        rig.sftp(f"put {rig.top}/file a.txt\n")
        wait_until(lambda: list(out.iterdir()), rig)
        receipt, = out.iterdir()
        wait_until(lambda: not receipt.exists(), rig)
        assert (partner.files / "a.txt").exists()
        rig.stop()
        # as after a power cut; and one that no catalog knows yet
        unknown = out / "solo-0123456789abcdef-j1.7"
        for link in (receipt, unknown):
            os.link(rig.volume / "alice/a.txt", link)
        rig.start()
        # another one whose delivery cannot be done: the name is taken
        rig.sftp(f"put {rig.top}/file a.txt\n")
        wait_until(lambda: not receipt.exists(), rig)
        assert len(list(out.iterdir())) == 2 and unknown.exists()
        rig.stop()
        os.link(rig.volume / "alice/a.txt", receipt)
        rig.start()
        wait_until(lambda: not receipt.exists(), rig)
        assert len(list(out.iterdir())) == 2 and unknown.exists()
