# Part of mftd; see LICENSE.
"""The switch: a bridge in the rack's network namespace, a port per host.

The rack's own addresses on it are the BMCs'. Cuts are nftables rules in the
bridge, rebuilt as a whole from cuts.json, so that a cut stays while a host
is powered off and on again.
"""
import subprocess

from . import plan
from .state import LabError

BRIDGE = "switch"


def _ip(lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n",
                   text=True, check=True)


def create_switch(nodes):
    lines = [f"link add {BRIDGE} type bridge forward_delay 0",
             f"link set {BRIDGE} address 02:4d:46:00:00:01 up"]
    lines += [f"address add {plan.bmc_address(n)}/{plan.PREFIX} dev {BRIDGE}"
              for n in nodes]
    _ip(lines)


def plug(name, pid):
    """Connect the host whose init is pid; its end of the link is eth0."""
    mac = f"02:4d:46:00:01:{plan.octet(name):02x}"
    _ip([f"link add {plan.port(name)} type veth peer name eth0"
         f" address {mac} netns {pid}",
         f"link set {plan.port(name)} master {BRIDGE} up"])


def unplug(name):
    subprocess.run(["ip", "link", "delete", plan.port(name)],
                   stderr=subprocess.DEVNULL, check=False)


def configure_host(name):
    """Inside the host: its address."""
    _ip(["link set lo up",
         f"address add {plan.address(name)}/{plan.PREFIX} dev eth0",
         "link set eth0 up"])


def cut(state, name, peers):
    """Drop what passes between the host and `peers`; None: everything."""
    with state.lock("cuts"):
        cuts = state.read("cuts.json") or []
        cuts.append({"node": name, "from": peers})
        _apply(state, cuts)
    state.event("cut", node=name, peers="all" if peers is None else peers)


def cut_bmc(state, name):
    with state.lock("cuts"):
        cuts = state.read("cuts.json") or []
        cuts.append({"bmc": name})
        _apply(state, cuts)
    state.event("cut-bmc", node=name)


def heal(state):
    with state.lock("cuts"):
        _apply(state, [])
    state.event("heal")


def _apply(state, cuts):
    """Replace every rule at once (nft's input is one transaction)."""
    forward, into, out = [], [], []
    for c in cuts:
        if "bmc" in c:
            into.append(f"ip daddr {plan.bmc_address(c['bmc'])} drop")
            continue
        here = f'"{plan.port(c["node"])}"'
        if c["from"] is None:
            forward += [f"iifname {here} drop", f"oifname {here} drop"]
            into.append(f"iifname {here} drop")
            out.append(f"oifname {here} drop")
            continue
        for peer in c["from"]:
            there = f'"{plan.port(peer)}"'
            forward += [f"iifname {here} oifname {there} drop",
                        f"iifname {there} oifname {here} drop"]
    text = "table bridge lab {}\ndelete table bridge lab\n"
    if cuts:
        text += "table bridge lab {\n" + _chain("forward", forward) \
            + _chain("input", into) + _chain("output", out) + "}\n"
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise LabError(f"nft: {done.stderr.strip()}")
    state.write("cuts.json", cuts)


def _chain(hook, rules):
    head = f"type filter hook {hook} priority 0; policy accept;"
    return f"chain {hook} {{ {head}\n" + "\n".join(rules) + "\n}\n"


