# Part of mftd; see LICENSE.
"""A change in a local folder makes the next look due: files are taken long before
the route's clock would have it."""
import os
import subprocess

from deposits import process, wait_for, wait_rows
from test_folders import _FOLDER, objects, put, there
from test_folders_after import system

HOUR = 3600


def slow(text):
    return text.replace("every_s: 1", f"every_s: {HOUR}")


def apply(rig, text):
    """And all its routes have looked once, and found nothing."""
    before = len(rig.lines("outbound.*configuration version"))
    rig.mftctl("apply", rig.accounts(text))
    wait_for(rig, "the new objects", lambda: len(
        rig.lines("outbound.*configuration version")) > before)


OTHER = _FOLDER.format(name="in", stable=1) + """    to_account: alice
    to_directory: box
    files: ["*.csv"]
"""


def test_taken_at_once():
    """By both routes that look there; again and again."""
    with system(others=OTHER) as (rig, partner, folder):
        apply(rig, slow(objects(rig, partner, others=OTHER)))
        count = 0
        for name, more in [("a.csv", 2), ("b", 1), ("c.csv", 2)]:
            put(folder, name, name.encode())
            count += more
            wait_rows(rig, count)
        put(folder, ".d", b"moved")
        wait_rows(rig, count + 1)
        os.rename(folder / ".d", folder / "d")
        wait_rows(rig, count + 2)
        (folder / "d").write_bytes(b"anew")
        os.unlink(partner.files / "d")
        wait_rows(rig, count + 3)
        assert there(partner)["d"] == b"anew"


def test_a_folder_that_goes_and_comes():
    """It is another one then, and told of as well."""
    with system() as (rig, partner, folder):
        apply(rig, slow(objects(rig, partner)))
        put(folder, "a", b"a")
        wait_rows(rig, 1)
        os.rename(folder, folder.parent / "away")
        wait_for(rig, "the word of it", lambda: rig.lines(
            "route=out: look: drop/in: No such file"))
        folder.mkdir()
        wait_for(rig, "it is back", lambda: rig.lines(
            "look: no trouble any more"))
        put(folder.parent / "away", "b", b"b")
        put(folder, "c", b"c")
        wait_rows(rig, 2)
        put(folder, "d", b"d")
        wait_rows(rig, 3)
        assert set(there(partner)) == {"a", "c", "d"}


def test_another_folder_at_its_place():
    """What is above it was renamed: the folder is told nothing of that."""
    with system() as (rig, partner, folder):
        apply(rig, slow(objects(rig, partner)))
        put(folder, "a", b"a")
        wait_rows(rig, 1)
        # by now the folder is watched again, and nothing is under way
        put(folder, "b", b"b")
        wait_rows(rig, 2)
        other = folder.parent.with_name("other")
        (other / folder.name).mkdir(parents=True)
        put(other / folder.name, "c", b"c")
        os.rename(folder.parent, folder.parent.with_name("away"))
        os.rename(other, folder.parent)
        wait_rows(rig, 3)
        put(folder, "d", b"d")
        wait_rows(rig, 4)
        assert set(there(partner)) == {"a", "b", "c", "d"}


def test_not_told():
    """The user has as many watches as the system allows: that is a word in the
    log, and the clock counts."""
    with system() as (rig, partner, folder), subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-p",
             str(process(rig, "outbound")), "-e", "trace=inotify_add_watch",
             "-e", "inject=inotify_add_watch:error=ENOSPC"],
            stderr=subprocess.DEVNULL) as strace:
        try:
            wait_for(rig, "the word of it", lambda: rig.lines(
                "route=out: changes of its folder are not told: No space"))
            for n in range(3):
                put(folder, f"{n}", b"x")
                wait_rows(rig, n + 1)
            assert len(rig.lines("changes of its folder")) == 1
        finally:
            strace.terminate()
