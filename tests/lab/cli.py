# Part of mftd; see LICENSE.
"""The command line: `lab --help`."""
import argparse
import json
import os
import signal
import sys

from . import inside
from .lab import Lab
from .state import LabError, State

_EPILOG = """\
hosts: n1 to nN (10.77.0.11 ...), db (10.77.0.5), partner (10.77.0.9)

  lab up --nodes 3             build the checkout, bring up 3 nodes with it
  lab up --plain               a cluster without mftd
  lab exec n1 crm_mon -1       any command, with stdin and exit status
  lab exec partner sftp 10.77.0.101
  lab power-off n2             a power cut; the cluster notices and fences
  lab power-on n2              boots again (a fenced node stays off till then)
  lab cut n1                   n1 and the other nodes no longer hear each other
  lab cut --bmc n1             fencing n1 fails
  lab heal                     end every cut
  lab down                     nothing stays
"""


def _parser():
    parser = argparse.ArgumentParser(
        prog="lab", description="A cluster of N nodes on this machine, in "
        "namespaces, with real fencing. Needs root.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    name = {"metavar": "NAME", "help": "which lab; several can be up at once "
            "(default: default)"}
    parser.add_argument("--name", default="default", **name)
    sub = parser.add_subparsers(dest="command", required=True, metavar="WHAT")

    def add(what, text, *hosts):
        p = sub.add_parser(what, help=text, description=text)
        p.add_argument("--name", default=argparse.SUPPRESS, **name)
        for h in hosts:
            p.add_argument(h, metavar=h.upper())
        return p
    up = add("up", "bring a lab up, until quorate and able to fence")
    up.add_argument("--nodes", type=int, default=3, metavar="N")
    kind = up.add_mutually_exclusive_group()
    kind.add_argument("--stage", metavar="DIR", type=os.path.realpath,
                      help="tree of `make install DESTDIR=DIR` (--prefix=/usr "
                      "--sysconfdir=/etc --localstatedir=/var); default: "
                      "build the checkout")
    kind.add_argument("--plain", action="store_true", help="without mftd")
    up.add_argument("--keep", action="store_true",
                    help="keep a lab that failed to come up")
    run = add("exec", "run a command in a host", "host")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="CMD...")
    add("power-off", "cut a host's power", "host")
    add("power-on", "boot a host", "host")
    cut = add("cut", "cut a host off the other nodes", "host")
    cut.add_argument("--from", dest="peers", metavar="LIST",
                     help="off these hosts instead, as in n2,db")
    cut.add_argument("--all", action="store_true", help="off everything")
    cut.add_argument("--bmc", action="store_true",
                     help="everyone off its BMC instead")
    add("heal", "end every cut")
    add("status", "nodes, power, quorum, resources")
    add("events", "what happened when: JSON lines")
    add("down", "end the lab; nothing stays")
    return parser


def _status(lab, _args):
    seen = lab.cluster()
    print("quorate, DC " + seen.dc if seen.quorate else "no quorum")
    for name in [*lab.nodes(), "db", "partner"]:
        power = "on " if lab.powered(name) else "off"
        held = [f"{r.name}:{r.role}" if r.role != "Started" else r.name
                for r in seen.resources if name in r.nodes]
        print(f"{name:8} {power} {seen.nodes.get(name, ''):8} "
              + " ".join(held))
    for cut in lab.state.read("cuts.json") or []:
        print("cut " + json.dumps(cut))


def _exec(lab, args):
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not argv:
        raise LabError("exec: which command?")
    command = lab.argv(args.host, argv)
    os.chdir("/")
    os.execvpe(command[0], command, lab.environment())


def _cut(lab, args):
    if args.bmc:
        lab.cut_bmc(args.host)
    else:
        peers = args.peers.split(",") if args.peers else None
        lab.cut(args.host, peers, args.all)


def _events(lab, _args):
    for event in lab.state.events():
        print(json.dumps(event))


COMMANDS = {
    "up": lambda lab, a: lab.up(a.nodes, a.stage, a.plain, a.keep),
    "down": lambda lab, a: lab.down(),
    "exec": _exec,
    "power-off": lambda lab, a: lab.power_off(a.host),
    "power-on": lambda lab, a: lab.power_on(a.host),
    "cut": _cut,
    "heal": lambda lab, a: lab.heal(),
    "status": _status,
    "events": _events,
}


def _interrupted(number, _frame):
    raise SystemExit(128 + number)


def main(argv):
    if argv[:1] == ["--state"]:
        return inside.entry(State(argv[1]), argv[2:])
    args = _parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        COMMANDS[args.command](Lab(args.name), args)
        return 0
    except (LabError, OSError) as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1
