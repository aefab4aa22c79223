# Part of mftd; see LICENSE.
"""The shipped cases of ocft(8), run by ocft itself, with the real daemon."""
import os
import re
import subprocess

import pytest

from conftest import AGENTS, HERE
from test_real import MFTD, machine  # noqa: F401  (a fixture)

CASES = os.path.abspath(os.path.join(HERE, "..", "..", "agents", "ocft"))
NAMES = ["mft-controller", "mft-inbound", "mft-outbound", "mft-storage"]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="starts a daemon as root"),
    pytest.mark.skipif(not os.access(MFTD, os.X_OK), reason="no mftd yet"),
]

# ocft knows one place for its cases and one for an agent. What the daemon's
# program is called by default is the build's.
INSIDE = """
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /usr/lib/ocf/resource.d
mkdir /usr/lib/ocf/resource.d/mft /var/lib/cases
cp "$AGENTS"/controller "$AGENTS"/inbound "$AGENTS"/outbound \
    "$AGENTS"/storage /usr/lib/ocf/resource.d/mft
cp "$CASES"/mft-* /var/lib/cases
[ -z "$SPOIL" ] || sed -i "$SPOIL" "/var/lib/cases/$NAME"
mount --bind /var/lib/cases /usr/share/resource-agents/ocft/configs
ocft make "$NAME"
exec ocft test -v "$NAME"
"""


def ocft(machine, name, spoil=""):      # noqa: F811
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "AGENTS": AGENTS,
           "CASES": CASES, "NAME": name, "SPOIL": spoil,
           "HA_RSCTMP": machine.top, "OCF_RESKEY_binfile": MFTD,
           "OCF_RESKEY_logfile": machine.log,
           "MFT_OCFT_CONFIG": machine.top + "/mftd.yaml",
           "MFT_OCFT_RUNDIR": machine.top + "/run"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", INSIDE], env=env, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False)
    print(done.stdout, done.stderr)
    return done


def cases(name):
    with open(os.path.join(CASES, name)) as f:
        return len(re.findall('^CASE "', f.read(), re.M))


@pytest.mark.parametrize("name", NAMES)
def test_ocft(machine, name):           # noqa: F811
    done = ocft(machine, name)
    assert done.returncode == 0
    assert "FAILED" not in done.stdout and "ERROR" not in done.stdout
    assert done.stdout.count("Checking return value:") >= cases(name)
    assert len(re.findall("The return value .* == ", done.stdout)) == \
        done.stdout.count("Checking return value:")


def test_ocft_notices(machine):         # noqa: F811
    """It is no mere show."""
    done = ocft(machine, "mft-storage",
                "s/monitor OCF_NOT_RUNNING/monitor OCF_SUCCESS/")
    assert done.returncode != 0 or "FAILED" in done.stdout
