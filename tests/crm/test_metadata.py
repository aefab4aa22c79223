# Part of mftd; see LICENSE.
"""The agents' meta-data, as the administrator's tools take it."""
import os
import subprocess

import pytest
from lxml import etree

from cluster import run

EACH = pytest.mark.parametrize(
    "agent", ["inbound", "outbound", "controller", "storage"])
AGENTS = "/usr/lib/ocf/resource.d/mft"
# pcs's own schema of OCF 1.1, and that of resource-agents, of 1.0
PCS_SCHEMA = "/usr/share/pcs/data/ocf-1.1.rng"
DTD_DIR = "/usr/share/resource-agents"


def metadata(agent):
    return run([os.path.join(AGENTS, agent), "meta-data"])


def parameters(agent):
    root = etree.fromstring(metadata(agent).encode())
    return {p.get("name"): p for p in root.iter("parameter")}


def lint(text, *options):
    return subprocess.run(["xmllint", "--noout", "--nonet", *options, "-"],
                          input=text, text=True, capture_output=True,
                          check=False, cwd=DTD_DIR)


@EACH
def test_schema(agent):
    done = lint(metadata(agent), "--relaxng", PCS_SCHEMA)
    assert (done.returncode, done.stderr) == (0, "- validates\n")
    done = lint(metadata(agent), "--valid")
    assert (done.returncode, done.stderr) == (0, "")
    root = etree.fromstring(metadata(agent).encode())
    assert root.findtext("version") == "1.1"


def test_schema_can_refuse():
    broken = metadata("inbound").replace('required="0"', 'required="no"', 1)
    assert lint(broken, "--relaxng", PCS_SCHEMA).returncode != 0


@EACH
def test_pcs_describes(agent):
    text = run(["pcs", "resource", "describe", "ocf:mft:" + agent])
    for name, parameter in parameters(agent).items():
        assert "\n  %s" % name in text
        long = " ".join(parameter.findtext("longdesc").split())
        assert long in " ".join(text.split())
    assert "Warning" not in text and "Error" not in text


@EACH
def test_crm_describes(agent):
    text = run(["crm", "ra", "info", "ocf:mft:" + agent])
    for name, parameter in parameters(agent).items():
        assert "\n%s" % name in text
        assert parameter.findtext("shortdesc") in text
    assert "ERROR" not in text and "WARNING" not in text


@EACH
def test_descriptions_help(agent):
    """A sentence or more each; a line that fits; nothing said twice."""
    root = etree.fromstring(metadata(agent).encode())
    texts = [root.findtext("longdesc"), root.findtext("shortdesc")]
    for parameter in root.iter("parameter"):
        long, short = (parameter.findtext(k)
                       for k in ("longdesc", "shortdesc"))
        assert long.rstrip().endswith(".") and len(long) > len(short)
        assert len(short) <= 50 and "  " not in long
        texts += [long, short]
    assert len(set(texts)) == len(texts)


@EACH
def test_roles_and_intervals(agent):
    """What pcs makes of it by itself is right: no two monitors alike."""
    root = etree.fromstring(metadata(agent).encode())
    monitors = [(a.get("interval"), a.get("role"))
                for a in root.iter("action") if a.get("name") == "monitor"]
    assert len({i for i, _ in monitors}) == len(monitors)
    names = {a.get("name") for a in root.iter("action")}
    assert {"start", "stop", "monitor", "meta-data", "validate-all",
            "reload-agent"} <= names
    assert ("promote" in names) == ("demote" in names) == (
        agent == "outbound")


def test_second_resource_of_a_queue(tmp_path):
    """What unique-group is for: pcs refuses it."""
    cib = str(tmp_path / "cib.xml")
    with open(cib, "w") as f:
        f.write(run(["cibadmin", "--empty"]))
    create = ["pcs", "-f", cib, "resource", "create"]
    run([*create, "a", "ocf:mft:outbound", "queue=x", "promotable"])
    run([*create, "b", "ocf:mft:outbound", "queue=y", "promotable"])
    again = subprocess.run(
        [*create, "c", "ocf:mft:outbound", "queue=x", "promotable"],
        text=True, capture_output=True, check=False)
    assert again.returncode != 0
    assert "queue" in again.stderr and "unique" in again.stderr.lower()


def test_required_and_unknown_parameters(tmp_path):
    cib = str(tmp_path / "cib.xml")
    with open(cib, "w") as f:
        f.write(run(["cibadmin", "--empty"]))
    create = ["pcs", "-f", cib, "resource", "create", "s", "ocf:mft:storage"]
    for options, word in (([], "directory"),
                          (["directory=/srv", "no_such=1"], "no_such")):
        done = subprocess.run([*create, *options], text=True, check=False,
                              capture_output=True)
        assert done.returncode != 0 and word in done.stderr
    run([*create, "directory=/srv"])
