# Part of mftd; see LICENSE.
"""A place for `vagrant up` alone: network, mounts and processes of its own.

All that Vagrant and LXC make is in there and below one directory, and ends
with the first process; of the machine's own interfaces nothing is seen.
"""
import os
import pathlib
import shutil
import signal
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
VAGRANT = TOP / "vagrant"
# LXC asks /sys whether a bridge is one, of the network that /sys shows.
_ENTER = """set -e
ip link set lo up
mount --rbind /sys/fs/cgroup "$1/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$1/cgroup" /sys/fs/cgroup
umount -l "$1/cgroup"
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /var/lib/lxc
mount --bind "$1/lxc" /var/lib/lxc
"""
_STAY = """
echo ready
sleep infinity & wait       # and so what has lost its parent is reaped
"""


class World:
    enter = ""              # what else is done in there first
    provider = "lxc"

    def __init__(self, directory, home=None):
        self.directory = pathlib.Path(directory)
        self.local = self.directory / "local.yaml"
        self.dot = self.directory / "dot"
        for name in ("cgroup", "lxc", "home"):
            (self.directory / name).mkdir()
        self.name = f"t{os.getpid()}"      # no other's cgroups are ours
        self.pivots = pivots()
        self.settings("")
        self.env = dict(
            os.environ, VAGRANT_HOME=str(home or self.directory / "home"),
            VAGRANT_DOTFILE_PATH=str(self.dot), MFT_CLUSTER=str(self.local),
            VAGRANT_CHECKPOINT_DISABLE="1", VAGRANT_NO_COLOR="1",
            VAGRANT_DEFAULT_PROVIDER=self.provider)
        self.init = subprocess.Popen(
            ["unshare", "--net", "--mount", "--ipc", "--pid", "--fork",
             "--kill-child", "--mount-proc", "sh", "-c",
             _ENTER + self.enter + _STAY, "sh", str(self.directory)], stdout=subprocess.PIPE, text=True,
            start_new_session=True)
        if self.init.stdout.readline() != "ready\n":
            raise RuntimeError("no place for Vagrant could be made")
        path = f"/proc/{self.init.pid}/task/{self.init.pid}/children"
        self.inside = int(pathlib.Path(path).read_text().split()[0])

    def settings(self, text):
        self.local.write_text(f"name: {self.name}\n{text}")

    def run(self, *argv, env=None, timeout=600):
        """A command in there; its result has the output of both kinds."""
        return subprocess.run(
            ["nsenter", f"--target={self.inside}", "--net", "--mount", "--ipc",
             "--pid", "--", *map(str, argv)], cwd=VAGRANT,
            env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout, check=False)

    def vagrant(self, *argv, **kwargs):
        return self.run("env", f"--chdir={VAGRANT}", "vagrant", *argv, **kwargs)

    def exec(self, machine, *argv, **kwargs):
        """In a container, without the time that `vagrant ssh` takes."""
        return self.run("lxc-attach", "-n", f"{self.name}-{machine}", "--clear-env",
                        "--", "env", "PATH=/usr/local/bin:/usr/sbin:"
                        "/usr/bin:/sbin:/bin",
                        *argv, **kwargs)

    def containers(self):
        return self.run("lxc-ls", "-1").stdout.split()

    def links(self):
        out = self.run("ip", "-br", "link").stdout
        return {line.split()[0].split("@")[0] for line in out.splitlines()}

    def processes(self):
        return self.run("ps", "-eo", "comm=").stdout.split()

    def end(self):
        if self.init.poll() is None:
            os.kill(self.inside, signal.SIGKILL)
        self.init.wait()
        remove_cgroups(self.name)
        for path in pivots() - self.pivots:
            path.rmdir()
        shutil.rmtree(self.directory)


def pivots():
    """LXC makes an empty one per hierarchy, and leaves it."""
    return set(pathlib.Path("/sys/fs/cgroup").glob("*/lxc.pivot"))


def remove_cgroups(name):
    """Those that LXC has left, of containers that were killed with the place."""
    for top in sorted(pathlib.Path("/sys/fs/cgroup").rglob(f"lxc.*.{name}-*")):
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass
