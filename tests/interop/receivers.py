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
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
            self.server.socket = self.tls.wrap_socket(
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

    def present(self, certificate):
        """Another certificate, from the next connection on."""
        self.tls.load_cert_chain(*certificate)

    def url(self, path="/hook"):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}{path}"

    def events(self, path="/hook"):
        return [json.loads(body) for where, _, body in self.requests
                if where == path]

    def told(self, path="/hook"):
        return [event["id"] for event in self.events(path)]


class Smtp:
    """`with Smtp() as smtp`; refuse: the next so many messages.  With a
    certificate TLS is asked for by STARTTLS, or implicit; starttls: what else
    is said to that ("": it is not offered)."""

    def __init__(self, certificate=None, user=None, password=None,
                 implicit=False, starttls=None):
        self.messages = []      # (envelope, message)
        self.users = []         # (name, whether it was let in, by TLS)
        self.senders = []       # (address, by TLS)
        self.refuse = 0
        self.tls = None
        self.starttls = starttls
        if certificate is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        self._user, self._password = user, password
        self._implicit = implicit
        outer = self

        class Controlled(Controller):
            def factory(self):
                return outer.make_server(self.handler)

        self.port = free_port()
        self.controller = Controlled(
            self, hostname="127.0.0.1", port=self.port,
            ssl_context=self.tls if implicit else None)

    def make_server(self, handler):
        starttls = self.starttls

        class Server(SMTP):
            async def smtp_STARTTLS(self, arg):
                if starttls is None:
                    await super().smtp_STARTTLS(arg)
                else:
                    await self.push(starttls)

        return Server(
            handler, hostname="test", authenticator=self._authenticate,
            tls_context=None if self._implicit or self.starttls == ""
            else self.tls, auth_required=self._user is not None,
            require_starttls=self.tls is not None and not self._implicit
            and self.starttls is None,
            auth_require_tls=self.starttls is None and not self._implicit)

    def _authenticate(self, _server, session, _envelope, _mechanism, data):
        good = (data.login.decode(), data.password.decode()) == \
            (self._user, self._password)
        self.users.append((data.login.decode(), good,
                           self._implicit or session.ssl is not None))
        return AuthResult(success=good)

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()

    def present(self, certificate):
        """Another certificate, from the next connection on."""
        self.tls.load_cert_chain(*certificate)

    async def handle_MAIL(self, _server, session, envelope, address, options):
        self.senders.append((address, self._implicit
                             or session.ssl is not None))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 well"

    async def handle_DATA(self, _server, _session, envelope):
        if self.refuse > 0:
            self.refuse -= 1
            return "451 not now"
        self.messages.append(
            (envelope, email.message_from_bytes(envelope.content)))
        return "250 taken"

    def url(self):
        return f"smtp{'s' if self._implicit else ''}://127.0.0.1:{self.port}"


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True,
                   capture_output=True)


def make_ca(top, names="IP:127.0.0.1", days="2", called="test CA"):
    """A CA, and a certificate of it for those names, by default for so many
    days from now: (ca, certificate, key)."""
    top = pathlib.Path(top)
    top.mkdir(exist_ok=True)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca, ca_key = top / "ca.pem", top / "ca.key"
    _openssl("req", "-x509", *curve, "-subj", f"/CN={called}", "-days", "2",
             "-keyout", ca_key, "-out", ca)
    key, request, extra = top / "key.pem", top / "request", top / "extra"
    extra.write_text(f"subjectAltName={names}\n")
    _openssl("req", *curve, "-subj", "/CN=server", "-keyout", key, "-out",
             request)
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key,
             "-CAcreateserial", "-days", days, "-extfile", extra, "-out",
             top / "certificate.pem")
    ca.chmod(0o644)
    return ca, top / "certificate.pem", key
