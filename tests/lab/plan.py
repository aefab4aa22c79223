# Part of mftd; see LICENSE.
"""The lab's fixed facts: names, addresses, numbers of users, timings.

Everything on 10.77.0.0/24 exists inside the lab's namespaces only.
"""
NETWORK = "10.77.0"
PREFIX = 24
DB = "db"
PARTNER = "partner"
MAX_NODES = 16

MFT_UID = 990           # exists in the nodes' /etc/passwd only
PARTNER_UID = 991
STORAGE = "/srv/mft"    # where nodes see the shared storage
STORAGE_BYTES = 4 << 30

BMC_USER = "lab"
BMC_PASSWORD = "lab"

TOKEN_MS = 1000
CLUSTER = "mftlab"

_FIXED = {DB: 5, PARTNER: 9}


def node_names(count):
    return [f"n{k}" for k in range(1, count + 1)]


def is_node(name):
    return name[:1] == "n" and name[1:].isdigit()


def node_number(name):
    return int(name[1:])


def octet(name):
    """Last byte of a host's address; also the last one of its MAC."""
    return _FIXED[name] if name in _FIXED else 10 + node_number(name)


def address(name):
    return f"{NETWORK}.{octet(name)}"


def bmc_address(name):
    return f"{NETWORK}.{200 + node_number(name)}"


def floating_address(name):
    """Reserved for Pacemaker; the lab itself never configures it."""
    return f"{NETWORK}.{100 + node_number(name)}"


def port(name):
    """The host's port on the switch."""
    return f"v-{name}"
