# Part of mftd; see LICENSE.
"""What real clients do, one test for each thing and each client that can."""
import hashlib
import os
import subprocess
import tempfile
import time

import clients
import pytest
from rig import Rig, START_S

SIZES = [0, 1, 32768, 65537, 5 << 20]
NAMES = ["plain", "with  spaces", "üñí-\u4e2d\u6587", "quote'$&;(x)",
         "-dash"]


@pytest.fixture(name="rig", scope="module")
def serving():
    with Rig() as rig:
        yield rig.up()


def with_clients(*operations):
    return pytest.mark.parametrize(
        "kind", clients.that_can(*operations),
        ids=lambda c: c.__name__.lower())


@pytest.fixture(name="client")
def connected(rig, kind):
    client = kind(rig)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(name="home")
def a_directory_of_its_own(rig, request):
    """Where the test's files are, as the client and as the disk see it."""
    name = "t" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    (rig.volume / "alice").mkdir(exist_ok=True)
    made = rig.sftp(f"mkdir {name}\n")
    assert made.returncode == 0, made.stderr
    return f"/{name}"


def on_disk(rig, path):
    return os.path.join(os.fsencode(rig.volume / "alice"),
                        os.fsencode(path).lstrip(b"/"))


def settled(rig, path, size):
    """Published with that size: sshfs's close does not wait for it."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            if os.stat(on_disk(rig, path)).st_size == size:
                return
        except FileNotFoundError:
            pass
        assert time.monotonic() < deadline, f"{path} is not there"
        time.sleep(0.01)


def make(path, size, seed=0):
    block = hashlib.sha256(str(seed).encode()).digest() * 2048
    with open(path, "wb") as f:
        left = size
        while left > 0:
            f.write(block[:left])
            left -= min(left, len(block))


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def same(rig, remote, local):
    settled(rig, remote, os.path.getsize(local))
    assert digest(on_disk(rig, remote)) == digest(local)


@with_clients("put", "get")
@pytest.mark.parametrize("size", SIZES)
def test_sizes(rig, client, home, tmp_path, size):
    make(tmp_path / "f", size, size)
    client.put(tmp_path / "f", f"{home}/f")
    same(rig, f"{home}/f", tmp_path / "f")
    client.get(f"{home}/f", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(tmp_path / "f")


@with_clients("put", "get")
def test_names(rig, client, home, tmp_path):
    for i, name in enumerate(NAMES):
        make(tmp_path / name, 100 + i, i)
        client.put(tmp_path / name, f"{home}/{name}")
        same(rig, f"{home}/{name}", tmp_path / name)
        client.get(f"{home}/{name}", tmp_path / "back")
        assert digest(tmp_path / "back") == digest(tmp_path / name)


BYTES = os.fsdecode(b"caf\xe9-\xff")


@pytest.mark.parametrize("kind", [clients.Sftp, clients.Sshfs],
                         ids=["sftp", "sshfs"])
def test_names_that_are_no_utf8(rig, client, home, tmp_path):
    make(tmp_path / "f", 77)
    client.put(tmp_path / "f", f"{home}/{BYTES}")
    same(rig, f"{home}/{BYTES}", tmp_path / "f")
    assert os.listdir(on_disk(rig, home)) == [os.fsencode(BYTES)]
    client.remove(f"{home}/{BYTES}")
    assert os.listdir(on_disk(rig, home)) == []


@with_clients("put", "rename_over")
def test_rename_over(rig, client, home, tmp_path):
    for n in (1, 2):
        make(tmp_path / f"v{n}", 1000 * n, n)
        client.put(tmp_path / f"v{n}", f"{home}/v{n}.filepart")
        settled(rig, f"{home}/v{n}.filepart", 1000 * n)
    client.rename_over(f"{home}/v1.filepart", f"{home}/v")
    client.rename_over(f"{home}/v2.filepart", f"{home}/v")
    same(rig, f"{home}/v", tmp_path / "v2")
    assert os.listdir(on_disk(rig, home)) == [b"v"]


@with_clients("put", "rename")
def test_rename_does_not_clobber(rig, client, home, tmp_path):
    for n in (1, 2):
        make(tmp_path / f"v{n}", 1000 * n, n)
        client.put(tmp_path / f"v{n}", f"{home}/v{n}")
    client.rename(f"{home}/v1", f"{home}/w")
    try:
        client.rename(f"{home}/v2", f"{home}/w")
    except clients.Failed:
        pass        # psftp's exit code does not tell
    same(rig, f"{home}/w", tmp_path / "v1")
    same(rig, f"{home}/v2", tmp_path / "v2")


@with_clients("resume_put")
def test_resume_of_a_short_upload(rig, client, home, tmp_path):
    """What is there is the file's start."""
    make(tmp_path / "f", 3 << 20, "resume")
    with open(tmp_path / "f", "rb") as f:
        (tmp_path / "short").write_bytes(f.read(1 << 20))
    client.put(tmp_path / "short", f"{home}/f")
    client.resume_put(tmp_path / "f", f"{home}/f")
    same(rig, f"{home}/f", tmp_path / "f")


@with_clients("resume_get")
def test_resume_of_a_short_download(rig, client, home, tmp_path):
    make(tmp_path / "f", 3 << 20, "resume")
    client.put(tmp_path / "f", f"{home}/f")
    with open(tmp_path / "f", "rb") as f:
        (tmp_path / "back").write_bytes(f.read(1 << 20))
    client.resume_get(f"{home}/f", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(tmp_path / "f")


def tree_digest(top):
    found = {}
    for where, _, files in os.walk(top):
        for name in files:
            path = os.path.join(where, name)
            found[os.path.relpath(path, top)] = digest(path)
    return found


@pytest.fixture(name="quick", scope="module")
def serving_from_memory():
    """A volume whose syncs cost nothing: thousands of files one by one."""
    with tempfile.TemporaryDirectory(prefix="mftd-", dir="/dev/shm") as top:
        os.chmod(top, 0o755)
        with Rig(volume=f"{top}/volume") as rig:
            yield rig.up()


@with_clients("put_tree", "get_tree")
def test_tree_of_a_thousand_files(quick, kind, tmp_path):
    rig, home = quick, f"/{kind.__name__}"
    assert rig.sftp(f"mkdir {home}\n").returncode == 0
    client = kind(rig)
    try:
        tree_there_and_back(rig, client, home, tmp_path)
    finally:
        client.close()


def tree_there_and_back(rig, client, home, tmp_path):
    top = tmp_path / "tree"
    for d in range(10):
        (top / f"d{d}/deep").mkdir(parents=True)
        for i in range(100):
            where = top / f"d{d}" / ("deep" if i % 2 else ".")
            (where / f"f{i}").write_bytes(b"%d-%d" % (d, i) * (i + 1))
    client.put_tree(top, f"{home}/tree")
    deadline = time.monotonic() + START_S
    at = os.fsdecode(on_disk(rig, f"{home}/tree"))
    while tree_digest(at) != tree_digest(top):
        assert time.monotonic() < deadline, "the tree is not the same"
        time.sleep(0.05)
    client.get_tree(f"{home}/tree", tmp_path / "back")
    back = tmp_path / "back"
    if (back / "tree").exists():
        back = back / "tree"
    assert tree_digest(back) == tree_digest(top)


@with_clients("names")
def test_ten_thousand_entries(rig, client, home):
    for i in range(10000):
        os.close(os.open(on_disk(rig, f"{home}/entry-{i:05}"),
                         os.O_CREAT | os.O_WRONLY, 0o644))
    assert client.names(home) == {f"entry-{i:05}" for i in range(10000)}


@with_clients("put_with_times")
def test_times_are_kept(rig, client, home, tmp_path):
    make(tmp_path / "f", 100)
    os.chmod(tmp_path / "f", 0o640)
    os.utime(tmp_path / "f", (1000000000, 1100000000))
    client.put_with_times(tmp_path / "f", f"{home}/f")
    deadline = time.monotonic() + START_S
    while True:
        settled(rig, f"{home}/f", 100)
        st = os.stat(on_disk(rig, f"{home}/f"))
        if int(st.st_mtime) == 1100000000:
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if not isinstance(client, clients.Rclone):  # it keeps no modes
        assert st.st_mode & 0o777 == 0o640


@with_clients("put", "chmod")
def test_modes(rig, client, home, tmp_path):
    make(tmp_path / "f", 100)
    client.put(tmp_path / "f", f"{home}/f")
    settled(rig, f"{home}/f", 100)
    for mode in (0o600, 0o664):
        client.chmod(mode, f"{home}/f")
        assert os.stat(on_disk(rig, f"{home}/f")).st_mode & 0o777 == mode
    # the owner's access stays: publishing and delivery need it
    client.chmod(0o044, f"{home}/f")
    assert os.stat(on_disk(rig, f"{home}/f")).st_mode & 0o777 == 0o644


@with_clients("space")
def test_statvfs(rig, client):
    v = os.statvfs(rig.volume)
    whole = v.f_blocks * v.f_frsize
    assert abs(client.space() - whole) < whole / 100


@pytest.mark.parametrize("kind", [clients.Asyncssh], ids=["asyncssh"])
def test_pipelined_out_of_order(rig, client, home, tmp_path):
    """64 writes outstanding, in no order, and 64 reads."""
    import asyncio
    import random
    block = 20011
    make(tmp_path / "f", 300 * block)
    data = (tmp_path / "f").read_bytes()
    order = list(range(300))
    random.Random(1).shuffle(order)

    async def work(sftp):
        gate = asyncio.Semaphore(64)

        async def write(f, i):
            async with gate:
                await f.write(data[i * block:(i + 1) * block], i * block)

        async def read(f, i):
            async with gate:
                return await f.read(block, i * block)
        async with sftp.open(f"{home}/f", "wb", block_size=0) as f:
            await asyncio.gather(*(write(f, i) for i in order))
        async with sftp.open(f"{home}/f", "rb", block_size=0) as f:
            return await asyncio.gather(*(read(f, i) for i in order))
    read = client.work(work)
    same(rig, f"{home}/f", tmp_path / "f")
    for i, got in zip(order, read):
        assert got == data[i * block:(i + 1) * block]


@pytest.mark.parametrize("kind", [clients.Paramiko], ids=["paramiko"])
def test_prefetch_and_check_file(rig, client, home, tmp_path):
    make(tmp_path / "f", 5 << 20)
    client.put(tmp_path / "f", f"{home}/f")
    with client.sftp.open(f"{home}/f") as f:
        f.prefetch(5 << 20)
        assert f.read() == (tmp_path / "f").read_bytes()
        assert f.check("sha256") == \
            bytes.fromhex(digest(tmp_path / "f"))


@pytest.mark.parametrize("kind", [clients.Sshfs], ids=["sshfs"])
def test_random_writes_by_fio(client, home):
    """fio writes in no order, and reads each block back by its checksum."""
    at = os.fsdecode(client.path(home))
    done = subprocess.run(
        ["fio", "--name=v", f"--directory={at}", "--rw=randwrite",
         "--size=8m", "--bs=4k-64k", "--verify=crc32c", "--do_verify=1",
         "--verify_fatal=1", "--end_fsync=1", "--ioengine=psync",
         "--randrepeat=1", "--fallocate=none"],
        capture_output=True, text=True, timeout=300, check=False, cwd=at)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "err= 0" in done.stdout


BIG = [5 << 30] if os.environ.get("MFTD_BIG") else [1 << 30]


@pytest.mark.parametrize("kind", [clients.Sftp], ids=["sftp"])
@pytest.mark.parametrize("size", BIG)
def test_big_sparse_file(rig, client, home, tmp_path, size):
    """Up and down; MFTD_BIG=1 for 5 GiB."""
    with open(tmp_path / "f", "wb") as f:
        f.truncate(size)
        f.seek(size - 5)
        f.write(b"tail!")
    client.put(tmp_path / "f", f"{home}/f")
    assert os.stat(on_disk(rig, f"{home}/f")).st_size == size
    client.get(f"{home}/f", tmp_path / "back")
    same(rig, f"{home}/f", tmp_path / "back")
    client.remove(f"{home}/f")
    (tmp_path / "back").unlink()
