# Part of mftd; see LICENSE.
"""What an account may do and how it logs in, with real clients, on both sides
of each edge."""
import contextlib
import datetime
import itertools
import os
import subprocess

import paramiko
import pytest
from rig import Rig, keygen


def account(rig, options, password=True):
    text = (f"accounts:\n  - name: alice\n    volume: main\n    root: alice\n"
            f"    keys: [\"{rig.alice}\"]\n")
    if password:
        text += "    password: sesame\n"
    return text + "".join(f"    {line}\n" for line in options)


@contextlib.contextmanager
def serving(*options):
    with Rig() as rig:
        rig.mftctl("apply", rig.accounts(account(rig, [])))
        rig.start()
        reapply(rig, *options)
        yield rig


def reapply(rig, *options):
    rig.mftctl("apply", rig.accounts(account(rig, options)))
    version = rig.wait_status(lambda s: True, "status")["catalog"]
    return version


def eventually(rig, wanted, what):
    """The new configuration reaches auth a moment after `apply` returns."""
    rig.wait_status(lambda _: wanted(), what)


class Login:
    """One connection, method by method."""

    def __init__(self, rig):
        self.transport = paramiko.Transport(("127.0.0.1", rig.port))
        self.transport.start_client(timeout=20)
        self.key = paramiko.Ed25519Key(filename=str(rig.top / "etc/alice"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()

    def by_key(self, user="alice", key=None):
        """What else is needed; None: refused."""
        try:
            return self.transport.auth_publickey(user, key or self.key)
        except paramiko.AuthenticationException:
            return None

    def by_password(self, password, user="alice"):
        try:
            return self.transport.auth_password(user, password,
                                                fallback=False)
        except paramiko.AuthenticationException:
            return None


@contextlib.contextmanager
def serving_both():
    with serving("methods: publickey+password") as rig:
        eventually(rig, lambda: rig.sftp("pwd\n").returncode != 0,
                   "the key alone is not enough")
        yield rig


def test_both_methods_are_needed():
    with serving_both() as rig:
        with Login(rig) as login:
            assert login.by_password("sesame") is None
            assert login.by_key() == ["password"]
            assert login.by_password("wrong") is None
            assert login.by_password("sesame") == []
            assert login.transport.is_authenticated()
        with Login(rig) as login:
            assert login.by_key() == ["password"]
            assert login.by_password("sesame", "bob") is None
            # another user name has reset it
            assert login.by_password("sesame") is None
            assert not login.transport.is_authenticated()


@pytest.mark.parametrize("ask", [
    lambda t: t.auth_none("bob"),
    lambda t: t.auth_interactive("bob", lambda *words: []),
    lambda t: t.auth_password("x" * 200, "sesame", fallback=False),
    lambda t: t.auth_password("bob\0", "sesame", fallback=False),
], ids=["none", "keyboard-interactive", "a long name", "a name with NUL"])
def test_whatever_is_asked_for_another_user_resets(ask):
    with serving_both() as rig:
        with Login(rig) as login:
            assert login.by_key() == ["password"]
            with pytest.raises(paramiko.SSHException):
                ask(login.transport)
            assert login.by_password("sesame") is None
            assert not login.transport.is_authenticated()
        with Login(rig) as login:   # and what is asked for the same one not
            assert login.by_key() == ["password"]
            with pytest.raises(paramiko.SSHException):
                login.transport.auth_none("alice")
            assert login.by_password("sesame") == []


def test_name_and_password_are_not_cut_at_nul():
    with serving() as rig:
        for user, password, good in (("alice\0bob", "sesame", False),
                                     ("alice", "sesame\0x", False),
                                     ("alice", "sesame", True)):
            with Login(rig) as login:
                assert (login.by_password(password, user) == []) == good


@pytest.mark.parametrize("method, key, password", [
    ("publickey", [], None), ("password", None, [])])
def test_method_not_on_offer_is_refused(method, key, password):
    with serving(f"methods: {method}") as rig:
        def as_wanted():
            with Login(rig) as login:
                by_key = login.by_key()
            with Login(rig) as login:
                return (by_key, login.by_password("sesame")) == (key, password)
        eventually(rig, as_wanted, f"only {method}")


def works(rig):
    return rig.sftp("pwd\n").returncode == 0


def refused(rig):
    return not works(rig)


def test_source_addresses():
    with serving("sources: [192.0.2.0/24]") as rig:
        eventually(rig, lambda: refused(rig), "not from loopback")
        reapply(rig, "sources: [192.0.2.0/24, 127.0.0.0/8]")
        eventually(rig, lambda: works(rig), "from loopback")


def test_expiry_and_disabled():
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    with serving(f"expires: {(now - day).date()}") as rig:
        eventually(rig, lambda: refused(rig), "expired yesterday")
        reapply(rig, f"expires: {now.date()}")
        eventually(rig, lambda: works(rig), "expires today's night")
        reapply(rig, "disabled: true")
        eventually(rig, lambda: refused(rig), "disabled")
        reapply(rig, "disabled: false")
        eventually(rig, lambda: works(rig), "no longer disabled")


def certify(rig, ca, *options):
    subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "id", *options,
                    rig.top / "etc/carol.pub"], check=True)


def test_certificates():
    with Rig() as rig:
        top = rig.top / "etc"
        authority = keygen(top / "ca")
        keygen(top / "other")
        keygen(top / "carol")
        rig.up(account(rig, [f"certificate_authorities: [\"{authority}\"]"]))

        def login():
            return rig.sftp("pwd\n", key=top / "carol").returncode == 0
        assert not login()      # the bare key is none of alice's
        certify(rig, top / "ca", "-n", "alice")
        assert login()
        certify(rig, top / "ca", "-n", "bob")
        assert not login()
        certify(rig, top / "ca", "-n", "alice", "-V", "-2d:-1d")
        assert not login()
        certify(rig, top / "other", "-n", "alice")
        assert not login()
        certify(rig, top / "ca", "-n", "alice", "-O",
                "source-address=192.0.2.1/32")
        assert not login()
        certify(rig, top / "ca", "-n", "alice", "-O",
                "source-address=127.0.0.1/32")
        assert login()


@pytest.mark.parametrize("kind", [["ecdsa", "-b", "256"],
                                  ["ecdsa", "-b", "521"],
                                  ["rsa", "-b", "3072"]])
def test_key_types(kind):
    with Rig() as rig:
        path = rig.top / "etc/typed"
        subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", "", "-C", "",
                        "-f", path], check=True)
        line = " ".join(path.with_suffix(".pub").read_text().split()[:2])
        rig.up(account(rig, []).replace(
            f"[\"{rig.alice}\"]", f"[\"{rig.alice}\", \"{line}\"]"))
        assert rig.sftp("pwd\n", key=path).returncode == 0
        other = rig.top / "etc/other"
        subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", "",
                        "-f", other], check=True)
        assert rig.sftp("pwd\n", key=other).returncode != 0


def test_read_only():
    with serving("read_only: true") as rig:
        root = rig.volume / "alice"
        (root / "there").write_text("x")
        os.chmod(root / "there", 0o644)
        names = (f"d{i}" for i in itertools.count())    # what is there fails
        eventually(rig, lambda: rig.sftp(
            f"mkdir {next(names)}\n").returncode != 0, "read only")
        before = set(os.listdir(root))
        for batch in ("put /dev/null f\n", "mkdir d\n", "rm there\n",
                      "rename there t\n", "chmod 600 there\n"):
            assert rig.sftp(batch).returncode != 0, batch
        assert rig.sftp("get there /dev/null\n").returncode == 0
        assert set(os.listdir(root)) == before


def test_unknown_user_and_wrong_password_look_the_same():
    with Rig() as rig:
        rig.up()
        seen = []
        for user, password in (("alice", "wrong"), ("nobody-such", "wrong")):
            with Login(rig) as login:
                with pytest.raises(paramiko.BadAuthenticationType):
                    login.transport.auth_none(user)
                try:
                    login.transport.auth_none(user)
                except paramiko.BadAuthenticationType as e:
                    seen.append(e.allowed_types)
                assert login.by_password(password, user) is None
        assert seen[0] == seen[1]
        # that both were hashed: test_refusal_takes_its_time (test_auth.c)
        assert len(rig.lines(r"password refused: ")) == 2


def test_sessions_end_with_their_account():
    with Rig() as rig:
        rig.mftctl("apply", rig.accounts(account(rig, [])))
        rig.start()
        for option in ("disabled: true", "expires: 2026-01-01"):
            eventually(rig, lambda: works(rig), "alice may log in")
            with Login(rig) as login:
                assert login.by_key() == []
                sftp = login.transport.open_sftp_client()
                assert sftp.listdir("/") is not None
                # another change leaves it alone
                reapply(rig, "umask: \"027\"")
                assert sftp.listdir("/") is not None
                reapply(rig, option)
                eventually(rig, lambda t=login.transport: not t.is_active(),
                           "its session ends")
            reapply(rig)
