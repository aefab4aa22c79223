# Part of mftd; see LICENSE.
"""The journal as an administrator looks at it: running, after a restart, and a
copy of it elsewhere."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from rig import BUILD, START_S, Rig


@pytest.fixture(name="rig")
def serving():
    with Rig() as rig:
        rig.up()
        for name in ("a", "b c"):
            (rig.top / name).write_text(name * 10)
            assert rig.sftp(f"put \"{rig.top}/{name}\"\n").returncode == 0
        assert rig.sftp("mkdir d\nrename \"b c\" \"d/b c\"\nrm a\n"
                        ).returncode == 0
        yield rig


def journal(*args, conf="/no/such/file"):
    """mftctl, as it is used where no mftd is installed."""
    return subprocess.run(
        [BUILD / "mftd/mftctl", "-f", conf, *args[:-1], args[-1]],
        text=True, capture_output=True, check=False)


def records(path):
    done = journal("-j", "journal", "show", path)
    return done.returncode, [json.loads(line)
                             for line in done.stdout.splitlines()]


def test_running_one(rig):
    done = journal("journal", "verify", rig.volume)
    assert done.returncode == 0 and "live" in done.stdout, done
    code, shown = records(rig.volume)
    assert code == 0
    assert [r["seq"] for r in shown] == list(range(1, len(shown) + 1))
    receipts = {r["path"]: r for r in shown if r["type"] == "receipt"}
    assert set(receipts) == {"a", "b c"}
    assert receipts["b c"]["size"] == 30
    assert len(receipts["b c"]["sha256"]) == 64
    assert {r["receipt"] for r in shown if r["type"] == "published"} == \
        {r["receipt"] for r in receipts.values()}
    assert [(r["path"], r["to"]) for r in shown if r["type"] == "rename"] == \
        [("b c", "d/b c")]
    text = journal("journal", "tail", rig.volume).stdout.splitlines()
    assert len(text) == 10
    assert 'path="b c"' in "".join(text) or 'to="d/b c"' in "".join(text)
    # by the configuration, too
    assert rig.mftctl("journal", "verify").returncode == 0


def test_sealed_after_a_restart_and_a_copy_of_it(rig, tmp_path):
    rig.stop()
    assert " whole" in journal("journal", "verify", rig.volume).stdout
    rig.start()
    lines = journal("journal", "verify", rig.volume).stdout.splitlines()
    assert len(lines) == 2
    assert sum(" sealed: at " in line for line in lines) == 1
    assert sum(" live" in line for line in lines) == 1
    copy = tmp_path / "copy"
    shutil.copytree(rig.volume / ".mft/journal", copy)
    assert journal("journal", "verify", copy).returncode == 0
    # one bit of one record, in the middle of the one that was sealed
    sealed = [line.split()[0] for line in lines if " sealed" in line][0]
    segment = copy / "solo" / sealed / "00000001.seg"
    data = bytearray(segment.read_bytes())
    at = data.index(b"b c")
    data[at] ^= 1
    segment.write_bytes(data)
    done = journal("journal", "verify", copy)
    assert done.returncode == 1
    assert f"{segment}, byte " in done.stdout and "is no record" in done.stdout
    assert "CUT: " in done.stdout
    code, shown = records(copy / "solo" / sealed)
    assert code == 1 and shown      # what is before it
    assert "b c" not in [r.get("path") for r in shown]


def test_torn_end(rig):
    """What a killed writer left behind its last record is its end once it is
    recovered."""
    stream, = (rig.volume / ".mft/journal/solo").iterdir()
    rig.stop(signal.SIGKILL)
    segment = stream / "00000001.seg"
    data = bytearray(segment.read_bytes())
    end = len(data.rstrip(b"\0"))
    data[end + 40:end + 60] = b"half of some record."
    segment.write_bytes(data)
    code, before = records(stream)
    assert code == 1
    rig.start()
    code, after = records(stream)
    assert code == 0 and before == after
    assert journal("journal", "verify", rig.volume).returncode == 0


def test_damage_is_not_sealed(rig):
    rig.stop()
    stream, = (rig.volume / ".mft/journal/solo").iterdir()
    segment = stream / "00000001.seg"
    data = bytearray(segment.read_bytes())
    data[find_record(data, 3) + 70] ^= 1
    segment.write_bytes(data)
    rig.start()
    assert " CUT: " in rig.mftctl("journal", "verify", check=False).stdout
    rig.wait_status(lambda st: "damaged" in st["volumes"][0]["reason"],
                    "status says so")
    data[find_record(data, 3) + 70] ^= 1
    segment.write_bytes(data)
    rig.stop()
    rig.start()
    assert " sealed" in rig.mftctl("journal", "verify").stdout
    rig.stop()
    shutil.rmtree(stream)
    done = rig.mftctl("journal", "verify", check=False)
    assert done.returncode == 1 and " GONE" in done.stdout
    done = rig.mftctl("journal", "verify", f"{rig.volume}/", check=False)
    assert done.returncode == 1 and " GONE" in done.stdout


def test_names_that_are_no_utf8(rig):
    (rig.top / "odd").write_text("odd")
    client = subprocess.run(
        ["sftp", *rig.ssh_options(), "-b", "-", "-P", str(rig.port),
         "alice@127.0.0.1"], check=False, capture_output=True,
        input=b"put " + os.fsencode(rig.top / "odd") + b" \"\xff\xe9\"\n")
    assert client.returncode == 0, client.stderr
    _, shown = records(rig.volume)
    assert ("\\xff\\xe9", "ffe9") in [
        (r.get("path"), r.get("path_hex")) for r in shown]
    done = subprocess.run(
        [BUILD / "mftd/mftctl", "-f", "/no/such/file", "journal", "show",
         rig.volume], capture_output=True, check=True)
    assert done.stdout.isascii() and b'path="\\\\xff\\\\xe9"' in done.stdout


def test_what_is_refused(rig, tmp_path):
    assert journal("journal", "verify", tmp_path).returncode == 1
    assert "no journal is there" in journal(
        "journal", "verify", tmp_path).stderr
    assert journal("journal", "verify").returncode == 2
    assert journal("journal", "mend", rig.volume).returncode == 2


def test_cut_end_is_missed(rig, tmp_path):
    rig.stop()
    key = rig.top / "state/journal.pub"
    done = journal("journal", "verify", "-k", key, rig.volume)
    assert done.returncode == 0 and "signed up to" in done.stdout, done
    copy = tmp_path / "copy"
    shutil.copytree(rig.volume / ".mft/journal", copy)
    stream, = (copy / "solo").iterdir()
    segment = stream / "00000001.seg"
    data = segment.read_bytes()
    length = int(re.search(r" (\d+)  whole", done.stdout)[1])
    # without its last record
    begin = find_record(data, length)
    segment.write_bytes(data[:begin] + bytes(len(data) - begin))
    done = journal("journal", "verify", copy)
    assert done.returncode == 1
    assert f"CUT: {length} records were signed" in done.stdout
    # … and without its head
    (stream / "head").unlink()
    assert "NOT SIGNED" in journal("journal", "verify", copy).stdout
    other = tmp_path / "other.pub"
    subprocess.run(f"openssl genpkey -algorithm ed25519 | openssl pkey "
                   f"-pubout -out {other}", shell=True, check=True)
    assert "SIGNED BY ANOTHER KEY" in journal(
        "journal", "verify", "-k", other, rig.volume).stdout
    assert journal("journal", "verify", "-k", rig.conf,
                   rig.volume).returncode == 1


def test_catalog_knows_what_was_cut(rig):
    """Whoever cuts the storage's end and its head has not cut the catalog's."""
    rig.wait_status(lambda st: st["catalog"]["lag_records"] == 0, "forwarded")
    rig.stop()
    stream, = (rig.volume / ".mft/journal/solo").iterdir()
    segment = stream / "00000001.seg"
    data = segment.read_bytes()
    begin = find_record(data, 3)
    segment.write_bytes(data[:begin] + bytes(len(data) - begin))
    (stream / "head").unlink()
    done = rig.mftctl("journal", "verify", check=False)
    assert done.returncode == 1
    assert "CUT: the catalog has " in done.stderr, done


def find_record(data, seq):
    """Where a record stands in the first segment; see mftd-journal(5)."""
    at = 256
    for _ in range(1, seq):
        at += int.from_bytes(data[at:at + 4])
    assert int.from_bytes(data[at + 8:at + 16]) == seq
    return at


def test_follow(rig):
    with subprocess.Popen(
            [BUILD / "mftd/mftctl", "-f", "/no/such/file", "-j", "journal",
             "tail", "-f", "-n", "1", rig.volume], text=True,
            stdout=subprocess.PIPE) as follower:
        try:
            assert json.loads(follower.stdout.readline())["stream"]
            (rig.top / "later").write_text("later")
            assert rig.sftp(f"put {rig.top}/later\n").returncode == 0
            seen = [json.loads(follower.stdout.readline())]
            while seen[-1]["type"] != "published":
                seen.append(json.loads(follower.stdout.readline()))
            assert "later" in [r.get("path") for r in seen]
            first = seen[-1]["stream"]
            rig.stop()
            rig.start()     # a stream that was not there before
            while seen[-1]["stream"] == first:
                seen.append(json.loads(follower.stdout.readline()))
            assert (seen[-1]["seq"], seen[-1]["type"]) == (1, "open")
        finally:
            follower.terminate()


def test_old_ones_are_dropped(rig):
    """Once they are in the catalog, and older than journal_keep_days."""
    old, = (rig.volume / ".mft/journal/solo").iterdir()
    rig.configure("journal_keep_days: 30")
    rig.stop()
    rig.start()
    deadline = time.monotonic() + START_S
    while not (old / "forwarded").exists():
        assert time.monotonic() < deadline, rig.log_tail()
        time.sleep(0.05)        # another process's file
    rig.stop()
    young, = set((rig.volume / ".mft/journal/solo").iterdir()) - {old}
    for stream, days in (old, 31), (young, 29):
        for segment in stream.glob("*.seg"):
            then = time.time() - days * 86400
            os.utime(segment, (then, then))
    rig.start()
    deadline = time.monotonic() + START_S
    while old.exists():
        assert time.monotonic() < deadline, rig.log_tail()
        time.sleep(0.05)
    assert young.exists()
    _, shown = records(rig.volume)
    assert [r["text"].split()[0] for r in shown if r["type"] == "audit"
            and r["event"] == "journal-dropped"] == [old.name]
    assert journal("journal", "verify", rig.volume).returncode == 0
