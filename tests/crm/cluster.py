# Part of mftd; see LICENSE.
"""A cluster on paper: a CIB file, the scheduler, and the graphs it makes."""
import functools
import os
import re
import subprocess
import tempfile

from lxml import etree

HERE = os.path.dirname(os.path.abspath(__file__))
GENERATE = os.path.join(HERE, "..", "..", "crm-config", "generate")
NODES = ["n1", "n2", "n3"]
ADDRESSES = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
QUEUES = ["--queue", "banks=192.0.2.31", "--queue", "shops=192.0.2.32"]
BMCS = ["192.0.2.21", "192.0.2.22", "192.0.2.23"]

STATE = ('<node_state id="%d" uname="%s" crmd="online" in_ccm="true" '
         'join="member" expected="member"/>')
BASE = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9"
 epoch="1" num_updates="0" admin_epoch="0" have-quorum="1">
<configuration><crm_config/><nodes>%s</nodes><resources/><constraints/>
</configuration><status>%s</status></cib>"""


def run(argv, **env):
    process = subprocess.run(
        argv, text=True, capture_output=True, check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent",
             "TERM": "dumb", **env})
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def generate(kind, what, values, *more):
    return run([GENERATE, "--nodes", ",".join(NODES), what, ",".join(values),
                "--" + kind, *more])


class Graph:
    """What the scheduler would do, and what waits for what."""

    def __init__(self, path):
        self.ops = {}
        self.waits = {}
        for synapse in etree.parse(path).getroot().iter("synapse"):
            inputs = [e.get("id") for e in synapse.find("inputs").iter()
                      if e.get("operation")]
            for op in synapse.find("action_set"):
                self.ops[op.get("id")] = op
                self.waits[op.get("id")] = inputs

    @staticmethod
    def name(op):
        """(resource, operation, node), instance numbers dropped."""
        key = re.sub(r"_(pre|post)_notify_", "_", op.get("operation_key"))
        rsc = re.sub(r":\d+$", "", key.rsplit("_", 2)[0])
        if op.get("operation") == "stonith":
            rsc = "node"
        return rsc, op.get("operation"), op.get("on_node") or ""

    def names(self):
        return sorted(self.name(op) for op in self.ops.values())

    def real(self):
        """What is done on nodes, without probes, notifies and cancels."""
        return {self.name(op) for op in self.ops.values()
                if op.tag != "pseudo_event" and op.get("operation") not in
                ("monitor", "notify", "cancel", "clear_failcount")}

    def find(self, rsc, operation, node=None, **attributes):
        for ident, op in self.ops.items():
            name = self.name(op)
            meta = op.find("attributes")
            if name[:2] == (rsc, operation) and \
                    (node is None or name[2] == node) and \
                    all(meta.get("CRM_meta_" + k) == v
                        for k, v in attributes.items()):
                return ident
        raise AssertionError("no %s of %s on %s" % (operation, rsc, node))

    def has(self, rsc, operation, node=None):
        return any(n[:2] == (rsc, operation) and (node in (None, n[2]))
                   for n in self.names())

    def follows(self, later, earlier):
        """Whether `later` waits, over whatever else, for `earlier`."""
        seen, todo = set(), [later]
        while todo:
            ident = todo.pop()
            if ident == earlier:
                return True
            if ident not in seen:
                seen.add(ident)
                todo += self.waits.get(ident, [])
        return False


class Cluster:
    def __init__(self, path, cib=None):
        self.path = path
        if cib is None:
            cib = BASE % (
                "".join('<node id="%d" uname="%s"/>' % (i, n)
                        for i, n in enumerate(NODES, 1)),
                "".join(STATE % (i, n) for i, n in enumerate(NODES, 1)))
        with open(path, "w") as f:
            f.write(cib)

    @property
    def cib(self):
        with open(self.path) as f:
            return f.read()

    def copy(self, path):
        return Cluster(path, self.cib)

    def load(self, kind, text):
        script = "%s.%s" % (self.path, kind)
        with open(script, "w") as f:
            f.write(text)
        if kind == "crm":
            run(["crm", "configure", "load", "update", script],
                CIB_file=self.path)
        else:
            run(["sh", script], PCS="pcs -f " + self.path)

    def verify(self):
        out = run(["crm_verify", "-V", "-x", self.path])
        assert out == ""

    def step(self, *options):
        """One transition; the cluster is then as after it."""
        graph = self.path + ".graph"
        run(["crm_simulate", "-x", self.path, "-S", "-G", graph, "-O",
             self.path, *options])
        return Graph(graph)

    def settle(self):
        """Transitions until nothing is left to do."""
        graphs = []
        for _ in range(10):
            graphs.append(self.step())
            if not graphs[-1].real():
                return graphs
        raise AssertionError("it never settles")

    def attribute(self, node, *options, resource="outbound"):
        run(["crm_attribute", "-N", node, *options], CIB_file=self.path,
            OCF_RESOURCE_INSTANCE=resource)

    def score(self, node, value, resource="outbound"):
        """As the agent sets it; None: as it deletes it."""
        self.attribute(node, "--promotion", "-l", "reboot",
                       *(["-D"] if value is None else ["-v", str(value)]),
                       resource=resource)

    def edit(self, function):
        tree = etree.parse(self.path)
        function(tree.getroot())
        tree.write(self.path)

    def where(self, rsc):
        """{node: role} by the last operations in the status."""
        text = run(["crm_mon", "-1", "--output-as=xml"], CIB_file=self.path)
        found = {}
        for e in etree.fromstring(text.encode()).iter("resource"):
            if re.sub(r":\d+$", "", e.get("id")) == rsc:
                for node in e.iter("node"):
                    found[node.get("name")] = e.get("role")
        return found


@functools.cache
def fenced(kind):
    """The CIB with the fence devices alone, as a tool makes it in seconds."""
    with tempfile.TemporaryDirectory() as top:
        cluster = Cluster(os.path.join(top, "cib.xml"))
        cluster.load(kind, generate(kind, "--bmc", BMCS))
        return cluster.cib
