# Part of mftd; see LICENSE.
"""The lab: a cluster of N nodes on one machine, for tests and for people.

Real corosync, pacemaker, PostgreSQL, fence_ipmilan against BMC simulators,
OpenSSH at a partner, shared storage on a file system of its own; every host
in namespaces of its own. Needs root, a Debian 12 with what tests/deps
installs, and nothing of the machine's network or services.

    with Lab("mine") as lab:
        lab.up(nodes=3, plain=True)
        lab.exec("n1", ["crm_mon", "-1"]).stdout
        lab.power_off("n1")
        lab.wait_fenced("n1")
        lab.power_on("n1")
        lab.wait_online()

Hosts: n1 to nN at 10.77.0.11 and up, db at 10.77.0.5 (PostgreSQL, user and
database mft), partner at 10.77.0.9, BMCs at 10.77.0.201 and up; 10.77.0.101
and up are free for floating addresses. Shared storage is /srv/mft.

From the outside in: rack.py (the namespace around everything), host.py (a
machine), net.py, bmc.py, storage.py, corosync.py, postgres.py, partner.py,
mftd.py (what runs), lab.py (class Lab), cli.py. plan.py holds the numbers.
"""
from .lab import Lab
from .state import LabError

__all__ = ["Lab", "LabError"]
