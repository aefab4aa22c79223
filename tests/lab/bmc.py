# Part of mftd; see LICENSE.
"""One BMC per node: OpenIPMI's simulator, at an address of its own.

For power it runs a program, `PROGRAM get|set power [0|1]`, which answers
`power:0|1`. That program is the lab's script; what it starts must not hold
the simulator's pipe, so it closes what it inherited.
"""
import os
import shlex
import subprocess
import sys
import time

from . import container, files, host, plan
from .state import LabError

_EMULATION = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


def _configuration(state, name):
    program = shlex.join(container.command(state, "_power", name))
    auths = "\n".join(f"  allowed_auths_{who} md5" for who in
                      ("callback", "user", "operator", "admin"))
    return f"""name "{name}"
set_working_mc 0x20
 startlan 1
  addr {plan.bmc_address(name)} 623
  priv_limit admin
{auths}
  guid a123456789abcdefa123456789abcdef
 endlan
 chassis_control "{program}"
 user 2 true "{plan.BMC_USER}" "{plan.BMC_PASSWORD}" admin 10 md5
"""


def start(state, name):
    """In the rack; the simulator lives as long as the rack."""
    mine = state("bmc", name)
    files.put(f"{mine}/lan.conf", _configuration(state, name))
    files.put(f"{mine}/emu", _EMULATION)
    files.make(f"{mine}/state")
    with open(f"{mine}/log", "ab") as out:
        subprocess.Popen(["ipmi_sim", "-n", "-c", f"{mine}/lan.conf", "-f",
                          f"{mine}/emu", "-s", f"{mine}/state"],
                         stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                         start_new_session=True, cwd="/")


def await_start(name, timeout_s=20):
    """Poll until the simulator has bound its address (UDP: 0.0.0.0 hex)."""
    wanted = "%08X:%04X" % (int.from_bytes(bytes(
        map(int, plan.bmc_address(name).split("."))), sys.byteorder), 623)
    deadline = time.monotonic() + timeout_s
    while wanted not in files.text_of("/proc/net/udp"):
        if time.monotonic() > deadline:
            raise LabError(f"the BMC of {name} does not start")
        time.sleep(0.02)


def power(state, name, argv):
    """The simulator's program: argv is get|set WHAT [VALUE]."""
    verb, what = argv[0], argv[1]
    if verb == "get" and what == "power":
        print(f"power:{int(host.running(state, name) is not None)}")
        return 0
    if verb != "set" or what not in ("power", "reset", "boot"):
        print(f"{what}:0")
        return 0
    if what == "boot":
        return 0
    os.closerange(3, 1024)
    if what == "reset" or argv[2] == "0":
        state.event("bmc-off", node=name)
        host.power_off(state, name, "bmc")
    if what == "reset" or argv[2] == "1":
        state.event("bmc-on", node=name)
        host.power_on(state, name, "bmc")
    return 0
