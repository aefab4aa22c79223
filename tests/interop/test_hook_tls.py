# Part of mftd; see LICENSE.
"""Hooks by TLS, against real servers: whom the certificate is of is proven, or
nothing is told; it is tried again, and never in plain where TLS is wanted."""
import os
import re
import ssl
import subprocess

import pytest
from hooks import HookRig, wait_for
from receivers import Http, make_ca, Smtp
from rig import USER
from sshd import Sshd

# of the servers here: TLS as old, and a password in plain, as they should refuse
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH",
                                        "ignore:ssl.TLSVersion")
OTHER = "DNS:mail.example"      # it is not called 127.0.0.1
LOGIN = ("mft", "sesame")
# Of certificates, and what is said of each.
WRONG = {
    "of-another": ({"names": OTHER}, "certificate.*subject.*name"),
    "expired": ({"days": "-1"}, "certificate has expired"),
    "of-no-authority": ({}, "certificate problem"),
}


@pytest.fixture(scope="module", name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


@pytest.fixture(name="rig")
def _rig():
    with HookRig() as rig:
        yield rig


@pytest.fixture(name="good")
def _good(rig):
    """(authorities, its certificate and key)"""
    ca, *certificate = make_ca(rig.top / "good")
    return ca, certificate


def wrong(rig, good, how):
    """A certificate that is wrong in that way, and whom is to be trusted."""
    ca, *certificate = make_ca(rig.top / "wrong", **WRONG[how][0])
    return (good[0] if how == "of-no-authority" else ca), certificate


def mail(smtp, ca, *more, login=True):
    fields = [f"url: '{smtp.url()}'", "from: mft@example.com",
              "to: [ops@example.com]", *more,
              *([f"ca_file: {ca}"] if ca else []),
              *([f"user: {LOGIN[0]}", f"password: {LOGIN[1]}"]
                if login else [])]
    return f"mail: {{{', '.join(fields)}}}"


def post(http, ca):
    return f"http: {{url: '{http.url()}', secret: a, ca_file: {ca}}}"


def start(rig, partner, line, *under, **env):
    """A hook, and an event for it."""
    rig.mftctl("apply", rig.accounts(rig.objects(
        partner, {"h": ["on: [received]", line]})))
    rig.start(*under, **env)
    rig.upload("x")


def wait_error(rig, tries=1):
    """What its run says, once it was tried so often; it goes on trying."""
    run = wait_for("an error", lambda: [
        r for r in rig.open_runs("h")
        if r["tries"] >= tries and r["state"] == "WAITING"], rig)[0]
    return run["error"]


def assert_says(error, pattern):
    assert re.search(pattern, error), error


def mended(rig, server, good):
    """The same run is done once the server is who it is to be."""
    id_ = rig.open_runs("h")[0]["id"]
    server.present(good[1])
    (rig.top / "wrong/ca.pem").write_bytes(good[0].read_bytes())
    rig.mftctl("hook", "retry", id_, check=False)   # it may wait still
    rig.wait_runs("h", DONE=1)


@pytest.mark.parametrize("implicit", [False, True],
                         ids=["starttls", "smtps"])
def test_mail(rig, partner, good, implicit):
    with Smtp(good[1], *LOGIN, implicit=implicit) as smtp:
        start(rig, partner, mail(smtp, good[0]))
        rig.wait_runs("h", DONE=1)
        assert smtp.users == [("mft", True, True)]
        assert smtp.senders == [("mft@example.com", True)]
        assert len(smtp.messages) == 1


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("implicit", [False, True],
                         ids=["starttls", "smtps"])
def test_mail_to_another_server(rig, partner, good, implicit, how):
    """It learns neither the password nor from whom the mail is."""
    ca, certificate = wrong(rig, good, how)
    with Smtp(certificate, *LOGIN, implicit=implicit) as smtp:
        start(rig, partner, mail(smtp, ca))
        assert_says(wait_error(rig, 2), WRONG[how][1])
        assert not smtp.users and not smtp.senders and not smtp.messages
        mended(rig, smtp, good)
        assert smtp.users == [("mft", True, True)] and smtp.messages


@pytest.mark.parametrize("how", WRONG)
def test_post_to_another_server(rig, partner, good, how):
    ca, certificate = wrong(rig, good, how)
    with Http(certificate) as http:
        start(rig, partner, post(http, ca))
        assert_says(wait_error(rig, 2), WRONG[how][1])
        assert http.requests == []
        mended(rig, http, good)
        assert len(http.requests) == 1


@pytest.mark.parametrize("answer", ["", "454 not now", "502 never"],
                         ids=["not-offered", "454", "502"])
def test_no_starttls_no_mail(rig, partner, good, answer):
    """Who stands between takes it out of what the server offers, or answers in
    its place."""
    with Smtp(good[1], *LOGIN, starttls=answer) as smtp:
        start(rig, partner, mail(smtp, good[0]))
        assert_says(wait_error(rig, 2), "TLS")
        assert not smtp.users and not smtp.senders and not smtp.messages
        smtp.starttls = None
        rig.wait_runs("h", DONE=1)
        assert smtp.users == [("mft", True, True)]
        assert smtp.senders == [("mft@example.com", True)]


def test_smtps_to_a_server_in_plain(rig, partner, good):
    with Smtp(None, *LOGIN) as smtp:
        start(rig, partner, mail(smtp, good[0]).replace("smtp:", "smtps:"))
        assert wait_error(rig, 2)
        assert not smtp.users and not smtp.senders


def test_in_plain_where_it_is_wanted_so(rig, partner, good):
    """TLS is offered, and not taken: no certificate is looked at."""
    with Smtp(good[1]) as smtp:
        smtp.starttls = "454 not now"
        start(rig, partner, mail(smtp, None, "starttls: false", login=False))
        rig.wait_runs("h", DONE=1)
        assert smtp.senders == [("mft@example.com", False)]


def test_old_protocol(rig, partner, good):
    """What OpenSSL would still do, were it told to."""
    conf = rig.top / "etc/openssl.cnf"
    conf.write_text("openssl_conf = o\n[o]\nssl_conf = s\n[s]\n"
                    "system_default = d\n[d]\nMinProtocol = TLSv1\n"
                    "CipherString = DEFAULT@SECLEVEL=0\n")
    with Http(good[1]) as http:
        http.tls.set_ciphers("DEFAULT@SECLEVEL=0")
        http.tls.minimum_version = http.tls.maximum_version = \
            ssl.TLSVersion.TLSv1_1
        # the test's own client can
        done = subprocess.run(
            ["curl", "-sS", "--tlsv1.1", "--cacert", good[0], "-d", "x",
             http.url()], check=False, capture_output=True, text=True,
            env={**os.environ, "OPENSSL_CONF": str(conf)})
        assert done.returncode == 0 and http.requests, done.stderr
        http.requests.clear()
        start(rig, partner, post(http, good[0]), OPENSSL_CONF=str(conf))
        assert_says(wait_error(rig, 2), "version|protocol|alert")
        assert http.requests == []


def test_ca_file_is_all_that_is_trusted(rig, partner, good):
    """Who has a file of authorities takes no other's word, be it the
    system's."""
    ca, *certificate = make_ca(rig.top / "system", called="system CA")
    certs = rig.top / "certs"
    certs.mkdir()
    (certs / "system.pem").write_bytes(ca.read_bytes())
    (certs / "ca-certificates.crt").write_bytes(ca.read_bytes())
    subprocess.run(["openssl", "rehash", certs], check=True)
    here = ["unshare", "-m", "--propagation", "private", "sh", "-c",
            f'mount --bind {certs} /etc/ssl/certs && exec "$@"', "sh"]
    with Http(certificate) as http:
        start(rig, partner, post(http, good[0]), *here)
        assert_says(wait_error(rig, 2), "certificate problem")
        assert http.requests == []
        rig.mftctl("apply", rig.accounts(rig.objects(partner, {"h": [
            "on: [received]", f"http: {{url: '{http.url()}', secret: a}}"]})))
        rig.wait_runs("h", DONE=1)
        assert len(http.requests) == 1
