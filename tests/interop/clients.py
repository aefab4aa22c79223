# Part of mftd; see LICENSE.
"""Real SFTP clients behind one face. A client has just the operations that it
can do; which those are is what the tables in test_clients.py are made of."""
import asyncio
import contextlib
import os
import shlex
import subprocess
import tempfile
import time

import asyncssh
import paramiko

TIMEOUT_S = 120
HOST = "127.0.0.1"


class Failed(Exception):
    """The client said that it failed."""


def run(*command, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          timeout=TIMEOUT_S, check=False, **kwargs)
    if done.returncode != 0:
        raise Failed((done.stdout + done.stderr).decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape")


class Client:
    def __init__(self, rig):
        self.rig = rig
        self.home = rig.top / "home"
        (self.home / ".ssh").mkdir(parents=True, exist_ok=True)
        (self.home / ".ssh/known_hosts").write_text(
            (rig.top / "etc/known_hosts").read_text())
        self.key = rig.top / "etc/alice"
        self.env = {**os.environ, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def close(self):
        pass


def last_components(lines):
    return {line.rstrip("/").rsplit("/", 1)[-1] for line in lines} \
        - {".", ".."}


def quote(path):
    """As the batches of sftp and psftp want it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Sftp(Client):
    def batch(self, *lines):
        text = "".join(f"{line}\n" for line in lines)
        return run("sftp", *self.rig.ssh_options(), "-P", self.rig.port, "-q",
                   "-b", "-", f"alice@{HOST}",
                   input=os.fsencode(text), env=self.env)

    def put(self, local, remote):
        self.batch(f"put {quote(local)} {quote(remote)}")

    def get(self, remote, local):
        self.batch(f"get {quote(remote)} {quote(local)}")

    def resume_put(self, local, remote):
        self.batch(f"reput {quote(local)} {quote(remote)}")

    def resume_get(self, remote, local):
        self.batch(f"reget {quote(remote)} {quote(local)}")

    def rename_over(self, old, new):
        self.batch(f"rename {quote(old)} {quote(new)}")

    def rename(self, old, new):
        self.batch(f"rename -l {quote(old)} {quote(new)}")

    def remove(self, path):
        self.batch(f"rm {quote(path)}")

    def names(self, path):
        listed = self.batch(f"ls -1a {quote(path)}").splitlines()
        return last_components(
            n for n in listed if not n.startswith("sftp>"))

    def put_tree(self, local, remote):
        self.batch(f"put -R {quote(local)} {quote(remote)}")

    def get_tree(self, remote, local):
        self.batch(f"get -R {quote(remote)} {quote(local)}")

    def put_with_times(self, local, remote):
        self.batch(f"put -p {quote(local)} {quote(remote)}")

    def chmod(self, mode, path):
        self.batch(f"chmod {mode:o} {quote(path)}")

    def space(self):
        return int(self.batch("df /").splitlines()[-1].split()[0]) * 1024


class Scp(Client):
    def scp(self, *args):
        run("scp", *self.rig.ssh_options(), "-P", self.rig.port, *args,
            env=self.env, stdin=subprocess.DEVNULL)

    def put(self, local, remote):
        self.scp(local, f"alice@{HOST}:{remote}")

    def get(self, remote, local):
        self.scp(f"alice@{HOST}:{remote}", local)

    def put_tree(self, local, remote):
        self.scp("-r", local, f"alice@{HOST}:{remote}")

    def get_tree(self, remote, local):
        self.scp("-r", f"alice@{HOST}:{remote}", local)

    def put_with_times(self, local, remote):
        self.scp("-p", local, f"alice@{HOST}:{remote}")


class Lftp(Client):
    def batch(self, *lines):
        ssh = shlex.join(["ssh", "-a", "-x", *self.rig.ssh_options()])
        text = "\n".join([
            f"set sftp:connect-program {quote(ssh)}", "set net:max-retries 1",
            "set net:reconnect-interval-base 1",
            "set cmd:fail-exit yes", "set xfer:clobber yes", "set sftp:auto-confirm no",
            f"open -u alice,x sftp://{HOST}:{self.rig.port}/", *lines,
            "bye", ""])
        return run("lftp", "--norc", "-f", "/dev/stdin", input=text.encode(),
                   env=self.env)

    def put(self, local, remote):
        self.batch(f"put {quote(local)} -o {quote(remote)}")

    def get(self, remote, local):
        self.batch(f"get {quote(remote)} -o {quote(local)}")

    def resume_put(self, local, remote):
        self.batch(f"put -c {quote(local)} -o {quote(remote)}")

    def resume_get(self, remote, local):
        self.batch(f"get -c {quote(remote)} -o {quote(local)}")

    def names(self, path):
        return last_components(
            self.batch(f"cls -1a {quote(path)}").splitlines())

    def remove(self, path):
        self.batch(f"rm {quote(path)}")

    def put_tree(self, local, remote):
        self.batch(f"mirror -R -P 4 {quote(local)} {quote(remote)}")

    def get_tree(self, remote, local):
        self.batch(f"mirror -P 4 {quote(remote)} {quote(local)}")

    def chmod(self, mode, path):
        self.batch(f"chmod {mode:o} {quote(path)}")


class Curl(Client):
    def curl(self, remote, *args):
        from urllib.parse import quote as escape
        return run("curl", "-sS", "-u", "alice:", "--key", self.key,
                   "--pubkey", f"{self.key}.pub", *args,
                   f"sftp://{HOST}:{self.rig.port}{escape(remote)}",
                   env=self.env)

    def put(self, local, remote):
        self.curl(remote, "-T", local)

    def get(self, remote, local):
        self.curl(remote, "-o", local)

    def resume_put(self, local, remote):
        self.curl(remote, "-C", "-", "-T", local)

    def resume_get(self, remote, local):
        self.curl(remote, "-C", "-", "-o", local)

    def names(self, path):
        return set(self.curl(path.rstrip("/") + "/", "-l").splitlines()) \
            - {".", ".."}


class Rclone(Client):
    def rclone(self, *args):
        return run("rclone", "--config", "/dev/null", "--retries", "1",
                   "--low-level-retries", "1",
                   "--sftp-host", HOST, "--sftp-port", self.rig.port,
                   "--sftp-user", "alice", "--sftp-key-file", self.key,
                   "--sftp-known-hosts-file",
                   self.rig.top / "etc/known_hosts", *args, env=self.env)

    def put(self, local, remote):
        self.rclone("copyto", local, f":sftp:{remote}")

    def get(self, remote, local):
        self.rclone("copyto", f":sftp:{remote}", local)

    def names(self, path):
        return {n.rstrip("/") for n in
                self.rclone("lsf", f":sftp:{path}").splitlines()}

    def remove(self, path):
        self.rclone("deletefile", f":sftp:{path}")

    def rename_over(self, old, new):
        self.rclone("moveto", f":sftp:{old}", f":sftp:{new}")

    def put_tree(self, local, remote):
        self.rclone("copy", local, f":sftp:{remote}")

    def get_tree(self, remote, local):
        self.rclone("copy", f":sftp:{remote}", local)

    put_with_times = put        # it always does


class Psftp(Client):
    def __init__(self, rig):
        super().__init__(rig)
        self.ppk = rig.top / "etc/alice.ppk"
        if not self.ppk.exists():
            run("puttygen", self.key, "-O", "private", "-o", self.ppk)
        self.fingerprint = run("ssh-keygen", "-l", "-f",
                               rig.top / "etc/host_key.pub").split()[1]

    def batch(self, *lines):
        with tempfile.NamedTemporaryFile("w", dir=self.home) as f:
            f.writelines(f"{line}\n" for line in lines)
            f.flush()
            return run("psftp", "-P", self.rig.port, "-i", self.ppk,
                       "-hostkey", self.fingerprint, "-batch", "-b", f.name,
                       f"alice@{HOST}", env=self.env,
                       stdin=subprocess.DEVNULL)

    @staticmethod
    def q(path):
        return '"' + str(path).replace('"', '""') + '"'

    def put(self, local, remote):
        self.batch(f"put {self.q(local)} {self.q(remote)}")

    def get(self, remote, local):
        self.batch(f"get {self.q(remote)} {self.q(local)}")

    def resume_put(self, local, remote):
        self.batch(f"reput {self.q(local)} {self.q(remote)}")

    def resume_get(self, remote, local):
        self.batch(f"reget {self.q(remote)} {self.q(local)}")

    def rename(self, old, new):
        self.batch(f"mv {self.q(old)} {self.q(new)}")

    def remove(self, path):
        self.batch(f"rm {self.q(path)}")

    def put_tree(self, local, remote):
        self.batch(f"put -r {self.q(local)} {self.q(remote)}")

    def get_tree(self, remote, local):
        self.batch(f"get -r {self.q(remote)} {self.q(local)}")

    def chmod(self, mode, path):
        self.batch(f"chmod {mode:o} {self.q(path)}")


class Paramiko(Client):
    def __init__(self, rig):
        super().__init__(rig)
        self.transport = paramiko.Transport((HOST, rig.port))
        self.transport.connect(username="alice", pkey=paramiko.Ed25519Key(
            filename=str(self.key)))
        self.sftp = paramiko.SFTPClient.from_transport(self.transport)
        self.sftp.get_channel().settimeout(TIMEOUT_S)

    def close(self):
        self.transport.close()

    @contextlib.contextmanager
    def errors(self):
        try:
            yield
        except (OSError, EOFError, paramiko.SSHException) as e:
            raise Failed(str(e)) from e

    def put(self, local, remote):
        with self.errors():     # stats the file right after its CLOSE
            self.sftp.put(str(local), remote)

    def get(self, remote, local):
        with self.errors():
            self.sftp.get(remote, str(local))

    def rename(self, old, new):
        with self.errors():
            self.sftp.rename(old, new)

    def rename_over(self, old, new):
        with self.errors():
            self.sftp.posix_rename(old, new)

    def remove(self, path):
        with self.errors():
            self.sftp.remove(path)

    def names(self, path):
        with self.errors():
            return set(self.sftp.listdir(path))

    def chmod(self, mode, path):
        with self.errors():
            self.sftp.chmod(path, mode)

    def put_with_times(self, local, remote):
        st = os.stat(local)
        with self.errors():
            self.sftp.put(str(local), remote)
            self.sftp.chmod(remote, st.st_mode & 0o777)
            self.sftp.utime(remote, (st.st_atime, st.st_mtime))


class Asyncssh(Client):
    def work(self, fn):
        async def inside():
            async with asyncssh.connect(
                    HOST, self.rig.port, username="alice",
                    client_keys=[str(self.key)],
                    known_hosts=str(self.rig.top / "etc/known_hosts"),
                    config=None, agent_path=None) as conn:
                async with conn.start_sftp_client() as sftp:
                    return await asyncio.wait_for(fn(sftp), TIMEOUT_S)
        try:
            return asyncio.run(inside())
        except (asyncssh.Error, OSError) as e:
            raise Failed(str(e)) from e

    def put(self, local, remote):
        self.work(lambda s: s.put(str(local), remote))

    def get(self, remote, local):
        self.work(lambda s: s.get(remote, str(local)))

    def rename(self, old, new):
        self.work(lambda s: s.rename(old, new))

    def rename_over(self, old, new):
        self.work(lambda s: s.posix_rename(old, new))

    def remove(self, path):
        self.work(lambda s: s.remove(path))

    def names(self, path):
        return set(self.work(lambda s: s.listdir(path))) - {".", ".."}

    def put_tree(self, local, remote):
        self.work(lambda s: s.put(str(local), remote, recurse=True))

    def get_tree(self, remote, local):
        self.work(lambda s: s.get(remote, str(local), recurse=True))

    def put_with_times(self, local, remote):
        self.work(lambda s: s.put(str(local), remote, preserve=True))

    def chmod(self, mode, path):
        self.work(lambda s: s.chmod(path, mode))

    def space(self):
        async def total(s):
            v = await s.statvfs("/")
            return v.blocks * v.frsize
        return self.work(total)


class Sshfs(Client):
    """A mount. close(2) does not wait for the answer to CLOSE: what a write
    came to is seen when the name is asked for."""

    def __init__(self, rig):
        super().__init__(rig)
        self.at = rig.top / "mount"
        self.at.mkdir(exist_ok=True)
        options = rig.ssh_options()
        pairs = [options[i + 1] for i in range(len(options))
                 if options[i] == "-o"]
        self.process = subprocess.Popen(
            ["sshfs", f"alice@{HOST}:/", self.at, "-f", "-p", str(rig.port),
             "-F", "none", "-o", ",".join(
                 [*pairs, f"IdentityFile={self.key}", "cache=no"])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=self.env)
        deadline = time.monotonic() + TIMEOUT_S
        while not os.path.ismount(self.at):
            if self.process.poll() is not None or \
                    time.monotonic() > deadline:
                raise Failed(self.process.communicate()[1].decode())
            time.sleep(0.02)

    def close(self):
        run("fusermount3", "-u", self.at)
        self.process.communicate(timeout=TIMEOUT_S)

    def path(self, remote):
        return os.fsencode(self.at) + os.fsencode(remote)

    def copy(self, source, target):
        with open(source, "rb") as i, open(target, "wb") as o:
            while chunk := i.read(1 << 20):
                o.write(chunk)

    def put(self, local, remote):
        self.copy(local, self.path(remote))

    def get(self, remote, local):
        self.copy(self.path(remote), local)

    def rename_over(self, old, new):
        os.rename(self.path(old), self.path(new))

    def remove(self, path):
        os.remove(self.path(path))

    def names(self, path):
        return {os.fsdecode(n) for n in os.listdir(self.path(path))}

    def put_tree(self, local, remote):
        run("cp", "-r", local, os.fsdecode(self.path(remote)))

    def get_tree(self, remote, local):
        run("cp", "-r", os.fsdecode(self.path(remote)), local)

    def put_with_times(self, local, remote):
        run("cp", "--preserve=mode,timestamps", local,
            os.fsdecode(self.path(remote)))

    def chmod(self, mode, path):
        os.chmod(self.path(path), mode)

    def space(self):
        v = os.statvfs(self.at)
        return v.f_blocks * v.f_frsize


ALL = [Sftp, Scp, Lftp, Curl, Rclone, Psftp, Paramiko, Asyncssh, Sshfs]


def that_can(*operations):
    return [c for c in ALL if all(hasattr(c, o) for o in operations)]
