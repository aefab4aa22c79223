# Part of mftd; see LICENSE.
"""Requests for authentication as no client of good faith makes them: each gets
its reply, and each counts as a try."""
import hashlib
import os
import socket
import struct
import threading

import paramiko
import pytest
from paramiko.auth_handler import AuthHandler
from rig import Rig

TRIES = 6       # login_tries
WAIT_S = 20


@pytest.fixture(name="rig", scope="module")
def serving():
    with Rig() as rig:
        rig.configure('ban: { failures: 1000, window_s: 10, time_s: 1 }')
        yield rig.up()


def string(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">I", len(data)) + data


def ed25519(rig):
    return paramiko.Ed25519Key(filename=str(rig.top / "etc/alice")).asbytes()


ECDSA = paramiko.ECDSAKey.generate().asbytes()
RSA = paramiko.RSAKey.generate(2048).asbytes()
SK = string("sk-ssh-ed25519@openssh.com") + string(os.urandom(32)) + \
    string("ssh:")
# a point that is not on the curve
OFF_CURVE = string("ecdsa-sha2-nistp256") + string("nistp256") + \
    string(b"\x04" + b"\x11" * 64)


def key(algorithm, blob, signature=None):
    body = string("publickey") + bytes([signature is not None]) + \
        string(algorithm) + string(blob)
    return body + (string(signature) if signature is not None else b"")


def signed(algorithm, size=64):
    return string(algorithm) + string(hashlib.shake_128(b"x").digest(size))


# what the request says behind its service; called with alice's key
REQUESTS = {
    "unknown key type, offered": lambda k: key("ssh-foo", b"\0\0\0\7ssh-foo"),
    "unknown key type, signed": lambda k: key(
        "ssh-foo", b"\0\0\0\7ssh-foo", signed("ssh-foo")),
    "wrong signature": lambda k: key(
        "ssh-ed25519", k, signed("ssh-ed25519")),
    "short signature": lambda k: key(
        "ssh-ed25519", k, signed("ssh-ed25519", 5)),
    "garbled signature": lambda k: key("ssh-ed25519", k, b"\xff" * 20),
    "empty signature": lambda k: key("ssh-ed25519", k, b""),
    "another type's signature": lambda k: key(
        "ssh-ed25519", k, signed("ecdsa-sha2-nistp256")),
    "wrong ecdsa signature": lambda k: key(
        "ecdsa-sha2-nistp256", ECDSA, signed("ecdsa-sha2-nistp256")),
    "security key, offered": lambda k: key(
        "sk-ssh-ed25519@openssh.com", SK),
    "security key, signed": lambda k: key(
        "sk-ssh-ed25519@openssh.com", SK,
        signed("sk-ssh-ed25519@openssh.com") + b"\1\0\0\0\1"),
    "security key's name, plain key": lambda k: key(
        "sk-ssh-ed25519@openssh.com", k, signed("ssh-ed25519")),
    "rsa with sha1": lambda k: key("ssh-rsa", RSA, signed("ssh-rsa", 256)),
    "dss": lambda k: key("ssh-dss", string("ssh-dss") + string(b"\1") * 4),
    "type and key do not agree": lambda k: key("ssh-ed25519", ECDSA),
    "empty key": lambda k: key("ssh-ed25519", b""),
    "cut key": lambda k: key("ssh-ed25519", k[:-5]),
    "point off its curve": lambda k: key("ecdsa-sha2-nistp256", OFF_CURVE),
    "hostbased": lambda k: string("hostbased") + string("ssh-ed25519") +
        string(k) + string("host") + string("root") +
        string(signed("ssh-ed25519")),
    "gssapi": lambda k: string("gssapi-with-mic") + struct.pack(">I", 1) +
        string(b"\6\11\52\206\110\206\367\22\1\2\2"),
    "none, again": lambda k: string("none"),
    "unknown method": lambda k: string("telepathy"),
    # "sesame" may well be right
    "a new password": lambda k: string("password") + b"\1" +
        string("sesame") + string("other"),
    "keyboard-interactive": lambda k: string("keyboard-interactive") +
        string("") + string(""),
}


class Handler(AuthHandler):
    """Waits for the answers to requests that the test writes itself."""

    def __init__(self, transport):
        super().__init__(transport)
        self.auth_method = "none"
        self.username = "alice"

    def asked(self, body):
        """Sends one; True: refused, None: the connection was closed."""
        self.auth_event = threading.Event()
        m = paramiko.Message()
        m.add_byte(b"\x32")
        m.add_string("alice")
        m.add_string("ssh-connection")
        m.add_bytes(body)
        try:
            self.transport._send_message(m)
        except (EOFError, OSError):
            return None
        while not self.auth_event.wait(0.02):
            if not self.transport.is_active():
                return None
            self.left -= 1
            assert self.left > 0, "no reply"
        assert not self.authenticated
        return True if self.transport.is_active() or \
            self.refused else None

    left = WAIT_S * 50
    refused = False

    def _on_failure(self, m):
        self.refused = True
        self._parse_userauth_failure(m)

    # as paramiko has it: functions, not methods
    _client_handler_table = {
        **AuthHandler._client_handler_table,
        paramiko.common.MSG_USERAUTH_FAILURE: _on_failure}


def connected(rig):
    transport = paramiko.Transport(
        socket.create_connection(("127.0.0.1", rig.port)))
    transport.start_client(timeout=WAIT_S)
    handler = Handler(transport)
    transport.auth_handler = handler
    handler.auth_event = threading.Event()
    handler._request_auth()
    assert handler.auth_event.wait(WAIT_S)      # to "none"
    return transport, handler


@pytest.mark.parametrize("name", REQUESTS)
def test_gets_its_reply_and_counts(rig, name):
    body = REQUESTS[name](ed25519(rig))
    transport, handler = connected(rig)
    replies = 0
    try:
        handler.refused = False
        while handler.asked(body) and handler.refused:
            handler.refused = False
            replies += 1
            assert replies < 3 * TRIES, "does not count"
    finally:
        transport.close()
    assert replies in (TRIES - 1, TRIES)
    # and the service goes on
    assert rig.sftp("pwd\n").returncode == 0
