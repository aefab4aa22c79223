# Part of mftd; see LICENSE.
"""The place for `vagrant up` (world.py), with libvirt in it: its daemon runs in
there, and all that it makes ends with the place. Nothing uses KVM."""
import os

from world import VAGRANT, World

_ENTER = """
for each in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
do
	mkdir -p "$1/libvirt$each" "$each"
	mount --bind "$1/libvirt$each" "$each"
done
# who libvirt-daemon-system would have made
for each in "passwd 64055:64055::/:/bin/false" "group 64055:"; do
	set -- "$1" $each
	cp "/etc/$2" "$1/libvirt"
	echo "libvirt-qemu:x:$3" >> "$1/libvirt/$2"
	mount --bind "$1/libvirt/$2" "/etc/$2"
done
[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
"""
_QEMU_CONF = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
_LIBVIRTD_CONF = """unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""


class VirtualWorld(World):
    enter = _ENTER
    provider = "libvirt"

    def __init__(self, directory, home):
        super().__init__(directory, home)
        self.env["MFT_QEMU"] = "emulated"
        # libvirtd sees to it that its machines run on all of them, else
        self.env["MFT_CPUS"] = ",".join(map(str, os.sched_getaffinity(0)))
        try:
            self.start_libvirt()
        except BaseException:
            self.end()
            raise

    def start_libvirt(self):
        etc = self.directory / "libvirt/etc/libvirt"
        (etc / "qemu.conf").write_text(_QEMU_CONF)
        (etc / "libvirtd.conf").write_text(_LIBVIRTD_CONF)
        self.check("libvirtd", "--daemon")
        self.check("virsh", "-c", "qemu:///system", "uri")

    def check(self, *argv, **kwargs):
        done = self.run(*argv, **kwargs)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stdout}")
        return done.stdout

    def vagrant(self, *argv, **kwargs):
        """What it says can be read meanwhile, in a file."""
        log = self.directory / "vagrant.log"
        done = self.run("env", f"--chdir={VAGRANT}", "sh", "-c",
                        'exec vagrant "$@" > "$0" 2>&1', log, *argv, **kwargs)
        done.stdout = log.read_text(errors="replace")
        return done

    def virsh(self, *argv):
        return self.check("virsh", "-q", "-c", "qemu:///system", *argv)

    def exec(self, machine, *argv, **kwargs):
        """In a machine, as root."""
        key = self.dot / "machines" / machine / "libvirt/private_key"
        return self.run(
            "ssh", "-q", "-i", key, "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=20",
            "-o", "BatchMode=yes", "-o", "ServerAliveInterval=20",
            f"vagrant@{self.address(machine)}", "sudo", *argv, **kwargs)

    def address(self, machine):
        last = {"database": 5, "storage": 6, "partner": 7}
        return f"192.168.58.{last.get(machine) or 10 + int(machine[1:])}"

    def machines(self):
        return self.virsh("list", "--all", "--name").split()

    def networks(self):
        return self.virsh("net-list", "--all", "--name").split()

    def volumes(self):
        images = self.directory / "libvirt/var/lib/libvirt/images"
        return [p.name for p in images.glob("*")]

    def seconds_of(self, machine):
        """What it has had of the processors so far."""
        words = self.virsh("domstats", "--cpu-total",
                           f"{self.name}-{machine}")
        return int(words.split("cpu.time=")[1].split()[0]) / 1e9
