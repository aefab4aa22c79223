# Part of mftd; see LICENSE.
"""Pacemaker as seen from outside: fencing configured, state read."""
import subprocess
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

from . import plan

# The lab decides when a fenced node comes back: fencing means off, and
# `power-on` is the person who walks to the machine.
_PROPERTIES = {"stonith-enabled": "true", "stonith-action": "off",
               "no-quorum-policy": "stop", "stonith-timeout": "30s",
               "dc-deadtime": "5s"}


def _nvpairs(prefix, values):
    return "".join(f'<nvpair id="{prefix}-{k}" name="{k}" value="{v}"/>'
                   for k, v in values.items())


def _fence_device(name, delay):
    """The device that powers `name`; never run by that node itself."""
    values = {"ip": plan.bmc_address(name), "username": plan.BMC_USER,
              "password": plan.BMC_PASSWORD, "auth": "md5", "lanplus": "0",
              "power_wait": "0", "login_timeout": "2", "power_timeout": "10",
              "pcmk_host_list": name, "pcmk_host_check": "static-list",
              "pcmk_off_timeout": "15s"}
    if delay:
        values["pcmk_delay_base"] = delay
    device = f"fence-{name}"
    return (
        f'<primitive id="{device}" class="stonith" type="fence_ipmilan">'
        f'<instance_attributes id="{device}-ia">'
        f"{_nvpairs(device, values)}</instance_attributes><operations>"
        f'<op id="{device}-monitor" name="monitor" interval="60s"'
        ' timeout="20s"/></operations></primitive>')


def configuration(nodes):
    """Properties, a fence device per node, and where each may run.

    With two nodes each fences the other after a cut: the first gets a start,
    or both would be shot.
    """
    def delay(name):
        return "3s" if len(nodes) == 2 and name == nodes[0] else None
    bans = "".join(
        f'<rsc_location id="ban-fence-{n}" rsc="fence-{n}" node="{n}"'
        ' score="-INFINITY"/>' for n in nodes)
    return (
        "<configuration><crm_config>"
        '<cluster_property_set id="cib-bootstrap-options">'
        f"{_nvpairs('cib-bootstrap-options', _PROPERTIES)}"
        "</cluster_property_set></crm_config><resources>"
        f"{''.join(_fence_device(n, delay(n)) for n in nodes)}</resources>"
        f"<constraints>{bans}</constraints></configuration>")


def first_cib():
    """What a node's disk holds before its first start: no nodes yet, and a
    short wait for a DC, which is half of the time `up` takes otherwise."""
    empty = subprocess.run(["cibadmin", "--empty"], check=True, text=True,
                           capture_output=True).stdout
    return empty.replace(
        "<crm_config/>", '<crm_config><cluster_property_set'
        ' id="cib-bootstrap-options">'
        f"{_nvpairs('cib-bootstrap-options', _PROPERTIES)}"
        "</cluster_property_set></crm_config>")


_ACTIVE = ("Started", "Promoted", "Unpromoted")


@dataclass
class ClusterState:
    """What one node's crm_mon says."""
    quorate: bool = False
    dc: str = ""
    nodes: dict = field(default_factory=dict)      # name -> online, standby...
    resources: list = field(default_factory=list)  # Resource

    def online(self):
        return {n for n, s in self.nodes.items() if s == "online"}

    def where(self, resource, role=None):
        """Nodes on which a resource (or clone instance) is active."""
        return {n for r in self.resources for n in r.nodes
                if r.name == resource and r.healthy
                and (r.role in _ACTIVE if role is None else r.role == role)}


@dataclass
class Resource:
    name: str
    role: str              # Started, Promoted, Unpromoted, Stopped
    nodes: list
    healthy: bool          # neither failed nor on an unclean node


def parse(text):
    """crm_mon --output-as=xml to ClusterState."""
    root = xml.fromstring(text)
    state = ClusterState()
    dc = root.find("summary/current_dc")
    if dc is not None and dc.get("present") == "true":
        state.quorate = dc.get("with_quorum") == "true"
        state.dc = dc.get("name", "")
    for node in root.findall("nodes/node"):
        state.nodes[node.get("name")] = _node_word(node)
    for r in root.iterfind(".//resources//resource"):
        nodes = [n.get("name") for n in r.findall("node")]
        role = {"Master": "Promoted", "Slave": "Unpromoted"}.get(
            r.get("role"), r.get("role"))
        healthy = r.get("failed") != "true" and all(
            state.nodes.get(n) not in ("unclean", "offline") for n in nodes)
        state.resources.append(
            Resource(r.get("id").split(":")[0], role, nodes, healthy))
    return state


def _node_word(node):
    if node.get("unclean") == "true":
        return "unclean"
    if node.get("pending") == "true":
        return "pending"
    if node.get("online") != "true":
        return "offline"
    return "standby" if node.get("standby") == "true" else "online"
