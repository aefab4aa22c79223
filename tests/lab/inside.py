# Part of mftd; see LICENSE.
"""What the lab does inside the rack; each a subcommand of `lab _inside`.

Called through Lab (lab.py), which enters the rack's namespaces first.
"""
import concurrent.futures
import json
import sys

from . import bmc, corosync, files, host, mftd, net, partner, plan, storage

_USERS = {"node": [("mft", plan.MFT_UID, "/var/lib/mft",
                    "/usr/sbin/nologin")],
          plan.DB: [],
          plan.PARTNER: [("acme", plan.PARTNER_UID, "/home/acme",
                          "/bin/bash")]}


def setup(state):
    """Everything up to the power-on of every host."""
    nodes = state.read("settings.json")["nodes"]
    hosts = [plan.DB, plan.PARTNER, *nodes]
    net.create_switch(nodes)
    corosync.make_authkey(state)
    partner.make_keys(state)
    for name in hosts:
        users = _USERS["node" if plan.is_node(name) else name]
        files.prepare_host(state("hosts", name), name, nodes, users)
    partner.prepare(state)
    for name in nodes:
        corosync.prepare(state, name, nodes)
        mftd.prepare(state, name)
        bmc.start(state, name)
    storage.create(state)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(host.power_on, state, n, "up")
                     for n in hosts]:
            done.result()
    for name in nodes:
        bmc.await_start(name)


def cut(state, text):
    order = json.loads(text)
    if order.get("bmc"):
        net.cut_bmc(state, order["node"])
    else:
        net.cut(state, order["node"], order["from"])


COMMANDS = {
    "setup": setup,
    "power-on": lambda state, name: host.power_on(state, name, "lab"),
    "power-off": lambda state, name: host.power_off(state, name, "lab"),
    "cut": cut,
    "heal": net.heal,
    "storage-power-cut": storage.power_cut,
    "storage-remount": storage.remount,
}


def main(state, argv):
    COMMANDS[argv[0]](state, *argv[1:])
    return 0


def entry(state, argv):
    """The hidden subcommands; see cli.main."""
    command, *rest = argv
    if command == "_power":
        return bmc.power(state, rest[0], rest[1:])
    if command == "_host":
        host.init(state, rest[0], int(rest[1]), int(rest[2]))
    if command == "_rack":
        from . import rack
        rack.init(state, int(rest[0]), int(rest[1]))
    if command == "_inside":
        return main(state, rest)
    print(f"unknown: {command}", file=sys.stderr)
    return 2
