# Part of mftd; see LICENSE.
"""Whom hooks tell: an HTTP server, an SMTP server, a program that writes down
what it was told; each can be told to misbehave."""
import base64
import contextlib
import email
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import subprocess
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP
from rig import free_port

# Each call appends what it was told, and as whom it runs. The file `orders`
# holds shell commands to be run then.
_PROGRAM = """#!/bin/sh
set -u
exec 9>>"$1/lock"
flock 9
{{ env | base64 -w0; echo; cat | base64 -w0; echo
   id -un; }} > "$1/call.$$"
cat "$1/call.$$" >> "$1/calls"
rm "$1/call.$$"
exec 9>&-
. "$1/orders"
"""


class Program:
    """A directory with a program that a hook may start."""

    def __init__(self, top, user_id):
        self.top = pathlib.Path(top)
        self.top.mkdir()
        self.path = self.top / "program"
        self.path.write_text(_PROGRAM.replace("{{", "{").replace("}}", "}"))
        self.path.chmod(0o755)
        self.orders("exit 0")
        subprocess.run(["chown", "-R", str(user_id), self.top], check=True)

    def orders(self, text):
        new = self.top / "orders.new"
        new.write_text(text + "\n")
        new.rename(self.top / "orders")

    def hook(self):
        return f"exec: [{self.path}, {self.top}]"

    def calls(self):
        """[(environment, event, user)], oldest first."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.top / "calls").read_text().splitlines()
            return [(_environment(lines[i]), _event(lines[i + 1]),
                     lines[i + 2]) for i in range(0, len(lines) - 2, 3)]
        return []

    def told(self):
        """The ids of the events, in order."""
        return [event["id"] for _, event, _ in self.calls()]


def _environment(line):
    text = base64.b64decode(line).decode(errors="surrogateescape")
    return dict(entry.split("=", 1) for entry in text.splitlines()
                if "=" in entry)


def _event(line):
    return json.loads(base64.b64decode(line))


def standard_webhooks(secret, headers, body):
    """Whether the signature is right, as the specification has it checked."""
    key = base64.b64decode(secret.removeprefix("whsec_")) \
        if secret.startswith("whsec_") else secret.encode()
    signed = b".".join([headers["webhook-id"].encode(),
                        headers["webhook-timestamp"].encode(), body])
    made = base64.b64encode(
        hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(f"v1,{made}", headers["webhook-signature"])


class Http:
    """`with Http() as http`; answers are (status, seconds) by the end of the
    path, or 204 at once."""

    def __init__(self, certificate=None):
        self.requests = []      # (path, headers, body)
        self.answers = {}
        self.hold = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                status = outer.answers.get(self.path, 204)
                if callable(status):
                    status = status(len(outer.events(self.path)))
                if status is None:      # never, as far as it is concerned
                    outer.hold.wait()
                    return
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "6" if status != 204
                                 else "0")
                self.end_headers()
                if status != 204:
                    self.wfile.write(b"answer")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def url(self, path="/hook"):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}{path}"

    def events(self, path="/hook"):
        return [json.loads(body) for where, _, body in self.requests
                if where == path]

    def told(self, path="/hook"):
        return [event["id"] for event in self.events(path)]


class Smtp:
    """`with Smtp() as smtp`; refuse: the next so many messages."""

    def __init__(self, certificate=None, user=None, password=None):
        self.messages = []      # (envelope, message)
        self.users = []
        self.refuse = 0
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)

        def authenticate(_server, _session, _envelope, _mechanism, data):
            good = (data.login.decode(), data.password.decode()) == \
                (user, password)
            self.users.append((data.login.decode(), good))
            return AuthResult(success=good)

        class Controlled(Controller):
            def factory(self):
                return SMTP(self.handler, tls_context=context,
                            require_starttls=context is not None,
                            auth_required=user is not None,
                            authenticator=authenticate, hostname="test")

        self.port = free_port()
        self.controller = Controlled(self, hostname="127.0.0.1",
                                     port=self.port)

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()

    async def handle_DATA(self, _server, _session, envelope):
        if self.refuse > 0:
            self.refuse -= 1
            return "451 not now"
        self.messages.append(
            (envelope, email.message_from_bytes(envelope.content)))
        return "250 taken"

    def url(self):
        return f"smtp://127.0.0.1:{self.port}"


def make_ca(top):
    """A CA, and a certificate of it for 127.0.0.1: (ca, certificate, key)."""
    top = pathlib.Path(top)

    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True,
                       capture_output=True)

    ca, ca_key = top / "ca.pem", top / "ca.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test CA",
            "-days", "2", "-keyout", ca_key, "-out", ca)
    key, request, extra = top / "key.pem", top / "request", top / "extra"
    extra.write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out",
            request)
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key,
            "-CAcreateserial", "-days", "2", "-extfile", extra, "-out",
            top / "certificate.pem")
    ca.chmod(0o644)
    return ca, top / "certificate.pem", key
