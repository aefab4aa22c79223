# Part of mftd; see LICENSE.
"""OpenSSH's client against a standalone daemon with an SQLite catalog."""
import concurrent.futures
import hashlib
import os
import shutil
import signal
import subprocess

import pytest
from rig import BUILD, keygen, Rig, USER

SIZES = [0, 1, 255, 32768, 261120, 261121, 1 << 20, (20 << 20) + 7]


@pytest.fixture(scope="module", name="rig")
def _rig():
    with Rig() as rig:
        yield rig.up()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ok(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done, *words):
    assert done.returncode != 0, done.stdout
    for word in words:
        assert word in done.stdout + done.stderr


def test_put_get_same_bytes(rig, tmp_path):
    batch = []
    for size in SIZES:
        (tmp_path / f"f{size}").write_bytes(os.urandom(size))
        batch += [f"put {tmp_path}/f{size}", f"get f{size} {tmp_path}/b{size}"]
    ok(rig.sftp("\n".join(batch) + "\n"))
    for size in SIZES:
        want = sha256(tmp_path / f"f{size}")
        assert sha256(tmp_path / f"b{size}") == want
        assert sha256(rig.volume / f"alice/f{size}") == want


def test_ls_rename_rm(rig, tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    ok(rig.sftp(f"put {tmp_path}/a one\nput {tmp_path}/b two\n"
                "mkdir d\nrename one d/uno\nrename two d/due\n"))
    out = ok(rig.sftp("ls -l d\n"))
    assert "uno" in out and "due" in out and " 6 " in out
    # OpenSSH's rename is posix-rename: it replaces
    ok(rig.sftp("rename d/due d/uno\n"))
    assert (rig.volume / "alice/d/uno").read_bytes() == b"second"
    ok(rig.sftp("rm d/uno\nrmdir d\n"))
    assert not (rig.volume / "alice/d").exists()
    refused(rig.sftp("rm nothing\n"), "No such file")


def test_overwrite_keeps_the_old_until_close(rig, tmp_path):
    (tmp_path / "v1").write_bytes(b"1" * 100000)
    (tmp_path / "v2").write_bytes(b"2" * 50)
    ok(rig.sftp(f"put {tmp_path}/v1 v\n"))
    ok(rig.sftp(f"put {tmp_path}/v2 v\n"))
    assert (rig.volume / "alice/v").read_bytes() == b"2" * 50


def test_scp(rig, tmp_path):
    """scp opens without TRUNC and sets the size afterwards."""
    for size in (300000, 10):
        (tmp_path / "s").write_bytes(os.urandom(size))
        ok(subprocess.run(
            ["scp", *rig.ssh_options(), "-P", str(rig.port), tmp_path / "s",
             "alice@127.0.0.1:s"], text=True, capture_output=True,
            check=False, timeout=60, stdin=subprocess.DEVNULL))
        assert sha256(rig.volume / "alice/s") == sha256(tmp_path / "s")


def test_login_by_password(rig):
    def login(password):
        return subprocess.run(
            ["sshpass", "-p", password, "sftp", "-F", "none", "-o",
             "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1",
             "-o", f"UserKnownHostsFile={rig.top}/etc/known_hosts", "-P",
             str(rig.port), "alice@127.0.0.1"], input="pwd\n", text=True,
            capture_output=True, check=False, timeout=60)
    assert "Remote working directory: /" in ok(login("sesame"))
    refused(login("sesam"), "Permission denied")


def test_login_refused(rig, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                    tmp_path / "other"], check=True)
    refused(rig.sftp("pwd\n", key=tmp_path / "other"), "Permission denied")
    refused(rig.sftp("pwd\n", user="bob"), "Permission denied")


def test_only_sftp(rig):
    for command in (["id"], ["scp", "-t", "/"], []):
        done = rig.ssh(*command)
        assert done.returncode != 0
        assert "uid=" not in done.stdout


def test_path_escapes(rig, tmp_path):
    """Nothing outside the account's root is read, written or even seen."""
    secret = rig.volume / "secret"
    secret.write_text("secret")
    outside = rig.top / "outside"
    outside.mkdir()
    (outside / "f").write_text("outside")
    root = rig.volume / "alice"
    for name, target in (("up", "../secret"), ("abs", str(secret)),
                         ("dir", str(outside)), ("dots", "..")):
        (root / name).symlink_to(target)
    (tmp_path / "x").write_text("x")
    for path in ("../secret", "/../secret", "up", "abs", "dir/f", "dots/secret",
                 str(secret), "/proc/self/environ"):
        done = rig.sftp(f"get {path} {tmp_path}/stolen\n")
        assert not (tmp_path / "stolen").exists(), path
        assert done.returncode != 0, path
    for path in ("dir/new", "dots/new", "abs/new"):
        refused(rig.sftp(f"put {tmp_path}/x {path}\n"))
    # through a link: the link may be replaced, never what it points at
    rig.sftp(f"put {tmp_path}/x up\nput {tmp_path}/x abs\n")
    assert secret.read_text() == "secret"
    assert sorted(p.name for p in outside.iterdir()) == ["f"]
    assert not (rig.volume / "new").exists()


def test_session_is_confined(rig):
    """A session runs without privileges, under seccomp."""
    client = subprocess.Popen(
        ["sftp", *rig.ssh_options(), "-P", str(rig.port), "alice@127.0.0.1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    try:
        client.stdin.write("pwd\n")
        client.stdin.flush()
        while "Remote working directory" not in client.stdout.readline():
            assert client.poll() is None
        with open(f"/proc/{rig.pid('session')}/status",
                  encoding="ascii") as f:
            status = dict(line.split(":\t", 1) for line in f)
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == "2"
        assert status["CapEff"].strip("0\n") == ""
        assert status["Uid"].split()[1] != "0"
    finally:
        client.kill()
        client.communicate()


def test_locks_are_nobody_elses():
    """Who may read a file may lock it, and would keep mftd from starting."""
    with Rig() as rig:
        old = rig.top / "run/outbound-default.lock"
        old.touch(mode=0o644)
        shutil.chown(old, USER)
        rig.up()
        locks = [*rig.top.glob("run/*.lock"), *rig.top.glob("state/*.db*")]
        assert len(locks) >= 4, locks
        for path in locks:
            done = subprocess.run(
                ["/usr/bin/python3", "-c", "import sys; open(sys.argv[1])",
                 path], user=65533, group=65533, extra_groups=[], check=False,
                capture_output=True, text=True)
            assert "PermissionError" in done.stderr, (path, done)


def test_status_shows_the_node(rig):
    st = rig.wait_status(lambda s: s["catalog"]["lag_records"] == 0,
                         "all forwarded")
    assert st["quorate"] and st["catalog"]["reachable"]
    roles = {(r["service"], r["role"]) for r in st["roles"]}
    assert {("inbound", "started"), ("outbound", "promoted")} <= roles


def test_mftctl_says_what_is_wrong(rig):
    for args, code, words in (
            (["node", "confirm-dead", "ghost"], 1, "is LOST"),
            (["node", "confirm-dead", "solo"], 1, "still sees"),
            (["frob"], 2, "no command frob"),
            (["apply"], 2, "apply FILE"),
            (["delivery", "frob"], 2, "only list"),
            (["apply", "/no/such"], 1, "/no/such: No such file")):
        done = rig.mftctl(*args, check=False)
        assert done.returncode == code, done
        assert words in done.stderr


def test_equal_wishes_share_an_answer(rig):
    """Agents may ask for the same thing at the same time."""
    def ask(action):
        return rig.control(cmd="service", service="inbound", action=action,
                           deadline_ms=20000)
    assert ask("stop")["state"] == "stopped"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, ["start"] * 8))
    assert all(a["ok"] and a["state"] == "started" for a in answers), answers
    rig.wait_serving()


def test_check_of_the_configuration(rig, tmp_path):
    """`mftd -t` finds what would keep the daemon from running."""
    def check(old, new):
        path = tmp_path / "mftd.yaml"
        path.write_text(rig.conf.read_text().replace(old, new))
        return subprocess.run([BUILD / "mftd/mftd", "-t", "-f", path],
                              text=True, capture_output=True, check=False)
    assert check("", "").returncode == 0
    assert check("", "").stderr == ""
    again = tmp_path / "again"
    keygen(again)
    small = tmp_path / "small"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "",
                    "-f", small], check=True)
    def secret_key(name, content, mode, owner=USER):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
        shutil.chown(tmp_path / name, owner)
        return "\nlog: stderr", f"\nsecret_key: {tmp_path}/{name}\nlog: stderr"

    whole = "0" * 64 + "\n"
    assert check(*secret_key("good", whole, 0o600)).returncode == 0
    assert check(*secret_key("group", whole, 0o640, "root")).returncode == 0
    for old, new, word in (("\nlog: stderr",
                            f"\nsecret_key: {tmp_path}/none\nlog: stderr",
                            "secret_key: "),
                           (*secret_key("open", whole, 0o644),
                            "everybody may read"),
                           (*secret_key("short", whole[2:], 0o600),
                            "no file of 64"),
                           (*secret_key("roots", whole, 0o600, "root"),
                            "the user may not read"),
                           ("etc/host_key", "etc/no_key", "etc/no_key: No"),
                           ("etc/host_key]", f"etc/host_key, {again}]",
                            "again: a second key of its type"),
                           ("etc/host_key]", f"etc/host_key, {small}]",
                            "small: The host key size 1024"),
                           ("user: nobody", "user: no-such-user", "user")):
        done = check(old, new)
        assert done.returncode == 2 and word in done.stderr, done


def test_stop_leaves_nothing_and_start_goes_on(tmp_path):
    with Rig() as rig:
        rig.up()
        (tmp_path / "f").write_bytes(b"kept")
        ok(rig.sftp(f"put {tmp_path}/f\n"))
        rig.stop()
        assert not (rig.top / "run/control.sock").exists()
        rig.start()
        ok(rig.sftp(f"get f {tmp_path}/back\n"))
        assert (tmp_path / "back").read_bytes() == b"kept"
        rig.stop(signal.SIGINT)
