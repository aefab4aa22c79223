# Part of mftd; see LICENSE.
"""Links in .mft/out that a power cut brought back go away again; those that
are needed, or that no catalog knows yet, stay."""
import json
import os

from partner import Partner
import rig as rigs
from rig import START_S, Rig


def wait_for(rig, what, look):
    return rigs.wait_for(what, look, START_S, rig.log_tail)


def uploaded(rig, out, content, state):
    """The link of an upload whose delivery has come to that state; it may be
    gone before anybody has looked for it."""
    (rig.top / "file").write_text(content)
    done = rig.sftp(f"put {rig.top}/file a.txt\n")
    assert done.returncode == 0, done.stderr
    receipt, = wait_for(rig, state, lambda: [
        row["receipt"] for row in map(json.loads, rig.mftctl(
            "-j", "delivery", "list").stdout.splitlines())
        if row["state"] == state])
    return out / receipt


def test_released_link_is_removed_again():
    with Rig() as rig, Partner() as partner:
        out = rig.volume / ".mft/out"
        rig.up(partner.objects(rig.alice, key_file=partner.key))
        released = uploaded(rig, out, "some bytes", "DONE")
        wait_for(rig, "it is released", lambda: not released.exists())
        assert (partner.files / "a.txt").exists()
        rig.stop()
        # as after a power cut; and one that no catalog knows yet
        unknown = out / "solo-0123456789abcdef-j1.7"
        for link in (released, unknown):
            os.link(rig.volume / "alice/a.txt", link)
        rig.start()
        # another one whose delivery cannot be done: the name is taken
        needed = uploaded(rig, out, "others", "FAILED")
        wait_for(rig, "it is gone again", lambda: not released.exists())
        assert set(out.iterdir()) == {unknown, needed}
        rig.stop()
        os.link(rig.volume / "alice/a.txt", released)
        rig.start()
        wait_for(rig, "it is gone again", lambda: not released.exists())
        assert set(out.iterdir()) == {unknown, needed}
