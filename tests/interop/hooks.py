# Part of mftd; see LICENSE.
"""What the tests of hooks share: an mftd with hooks and a partner, its runs,
and who is told."""
import json
import os
import pwd

import rig as rigs
from receivers import Program
from rig import Rig, USER

PATIENCE_S = 60
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_OBJECTS = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
partners:
{partners}
routes:
{routes}
hooks:
{hooks}
"""
_ROUTE = """  - name: {name}
    account: alice
    partner: acme
    directory: {directory}
    settle_s: 0
{more}"""


def wait_for(what, look, rig=None):
    return rigs.wait_for(what, look, PATIENCE_S,
                         *([rig.log_tail] if rig else []))


class HookRig(Rig):
    """A Rig with a secret key and programs for its hooks."""

    def __init__(self, **more):
        super().__init__(**more)
        secret = self.top / "etc/secret"
        secret.write_text(os.urandom(32).hex() + "\n")
        secret.chmod(0o640)
        os.chown(secret, 0, pwd.getpwnam(USER).pw_gid)
        self.configure(f"secret_key: {secret}")

    def listener(self, name="listener"):
        """A program that a hook may start."""
        return Program(self.top / name, pwd.getpwnam(USER).pw_uid)

    def objects(self, partner, hooks, routes=None):
        """hooks: {name: lines}; routes: {name: (directory, lines)}."""
        return _OBJECTS.format(
            key=self.alice, partners=partner.objects(),
            routes="".join(
                _ROUTE.format(name=name, directory=directory, more="".join(
                    f"    {line}\n" for line in lines))
                for name, (directory, lines) in
                (routes or {"out": ("in", [])}).items()),
            hooks="".join(
                f"  - name: {name}\n" + "".join(
                    f"    {line}\n" for line in lines)
                for name, lines in hooks.items()) or "  []\n")

    def upload(self, name, content=b"content"):
        (self.top / "file").write_bytes(content)
        done = self.sftp(f'put {self.top}/file "{name}"\n')
        assert done.returncode == 0, done.stderr

    def runs(self, hook):
        """{state: how many} of its runs."""
        done = self.mftctl("-j", "hook", "list")
        for line in map(json.loads, done.stdout.splitlines()):
            if line["name"] == hook:
                return line["runs"]
        raise AssertionError(done.stdout)

    def open_runs(self, hook):
        """Its runs that are not DONE, as `hook show` has them."""
        return json.loads(
            self.mftctl("-j", "hook", "show", hook).stdout)["not_done"]

    def wait_runs(self, hook, **states):
        """Until so many of its runs are in these states, and no others."""
        def look():
            runs = self.runs(hook)
            return all(n == states.get(state, 0)
                       for state, n in runs.items())
        return wait_for(f"{hook}: {states}", look, self)

    def delivery(self, name):
        return wait_for(f"delivery of {name}", lambda: [
            d for d in map(json.loads, self.mftctl(
                "-j", "delivery", "list").stdout.splitlines())
            if d["name"] == name], self)[-1]
