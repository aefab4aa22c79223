# Part of mftd; see LICENSE.
"""mftd's own files on the nodes, and the objects of the lab's one route."""
import os
import subprocess

from . import container, files, partner, plan

GENERATE = "crm-config/generate"       # in the checkout

_NODE = """mode: cluster
node: {name}
user: mft
listen: ["0.0.0.0:22"]
host_keys: [/etc/mft/ssh_host_ed25519_key]
catalog: "postgresql://mft@{db}/mft"
volumes:
  - name: main
    path: {storage}
state_dir: /var/lib/mft
run_dir: /run/mft
log: stderr
log_level: info
lease_ms: 3000
"""
_OBJECTS = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{alice}"]
partners:
  - name: acme
    host: {partner}
    port: 22
    user: acme
    key_file: /etc/mft/keys/acme
    host_keys: ["{partner_host}"]
routes:
  - name: alice-to-acme
    account: alice
    partner: acme
    directory: inbox
    queue: default
    settle_s: 1
"""


def prepare(state, name):
    """/etc/mft of one node."""
    etc = state("hosts", name, "etc/mft")
    uid = plan.MFT_UID
    files.make(etc)
    files.make(f"{etc}/keys", 0o700, uid, uid)
    files.put(f"{etc}/mftd.yaml", _NODE.format(
        name=name, db=plan.address(plan.DB), storage=plan.STORAGE))
    for key, path in (("mftd-host", "ssh_host_ed25519_key"),
                      ("acme", "keys/acme")):
        files.put(f"{etc}/{path}", files.text_of(state("keys", key)), 0o600,
                  uid, uid)
    files.put(f"{etc}/ssh_host_ed25519_key.pub",
              partner.public_key(state, "mftd-host") + "\n")
    files.put(f"{etc}/objects.yaml", _OBJECTS.format(
        alice=partner.public_key(state, "alice"),
        partner=plan.address(plan.PARTNER),
        partner_host=partner.public_key(state, "partner-host")))


def start(lab):
    """What an administrator does once on the fresh cluster: the objects,
    then the resources. An install tree without mftctl has neither."""
    if lab.exec("n1", ["sh", "-c", "command -v mftctl"]).returncode:
        return
    apply_objects(lab)
    if os.path.exists(os.path.join(lab.checkout, GENERATE)):
        load_topology(lab)


def apply_objects(lab, node="n1"):
    """mftctl apply: account alice, partner acme, the route between them."""
    lab.check(node, "install", "-d", "-o", "mft", "-g", "mft",
              f"{plan.STORAGE}/alice")
    lab.check(node, "mftctl", "apply", "/etc/mft/objects.yaml")


def load_topology(lab, *options):
    """The project's own Pacemaker configuration, for these nodes."""
    nodes = lab.nodes()
    text = subprocess.run(
        [container.PYTHON, os.path.join(lab.checkout, GENERATE), "--crm",
         "--nodes", ",".join(nodes),
         "--addresses", ",".join(map(plan.floating_address, nodes)),
         *options],
        check=True, text=True, stdout=subprocess.PIPE).stdout
    lab.check(nodes[0], "crm", "configure", "load", "update", "-", input=text)
