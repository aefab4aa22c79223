# Part of mftd; see LICENSE.
"""What happened when: the agents' own log lines, the lab's events, the
partner's log, the cluster's log.  All wall-clock seconds of one machine."""
import datetime
import os
import re

_AGENT = re.compile(
    r"^(\w{3} \d\d \d\d:\d\d:\d\d\.\d{3}) (\w+)\([^)]*\)\[\d+\]:\s+\w+: "
    r"(\w[\w-]*): (begin|-?\d+)", re.M)
_RENAME = re.compile(r"^(\S+) .*\brename old \"[^\"]+\" new \"([^\"]+)\"",
                     re.M)


def _wall(text):
    """"Nov 20 23:10:48.123" of this year; local time."""
    now = datetime.datetime.now()
    when = datetime.datetime.strptime(f"{now.year} {text}",
                                      "%Y %b %d %H:%M:%S.%f")
    if when > now + datetime.timedelta(days=1):
        when = when.replace(year=now.year - 1)
    return when.timestamp()


# Pacemaker tells agents to log into its own file, shell agents do elsewhere.
_LOGS = ("/var/log/pacemaker/pacemaker.log", "/var/log/pacemaker/agents.log")


def agent_lines(lab, node):
    """(wall, agent, action, "begin" or exit code) of one node, in order."""
    found = []
    for path in _LOGS:
        real = lab.path(node, path)
        if os.path.exists(real):
            with open(real, encoding="utf-8", errors="replace") as f:
                found += _AGENT.findall(f.read())
    return sorted(((_wall(when), agent, action,
                    what if what == "begin" else int(what))
                   for when, agent, action, what in found),
                  key=lambda line: line[0])


def promoted_spans(lab, until):
    """[(node, from, to)]: from the begin of promote to the end of what took
    the role away (demote, stop, the node's power), `until` at the latest."""
    offs = [(e["wall"], e["node"]) for e in lab.state.events()
            if e["event"] in ("power-off", "bmc-off")]
    spans = []
    for node in lab.nodes():
        ends = sorted(w for w, n in offs if n == node)
        start = None
        for wall, agent, action, what in agent_lines(lab, node):
            if agent != "outbound":
                continue
            gone = [w for w in ends if start is not None and start < w < wall]
            if gone:
                spans.append((node, start, gone[0]))
                start = None
            if action == "promote" and what == "begin" and start is None:
                start = wall
            elif action in ("demote", "stop") and what == 0 and start:
                spans.append((node, start, wall))
                start = None
        if start is not None:
            gone = [w for w in ends if w > start]
            spans.append((node, start, gone[0] if gone else until))
    return spans


def overlap_s(spans):
    """The longest time during which two nodes were promoted; 0 if never."""
    worst = 0.0
    for k, (node, start, end) in enumerate(spans):
        for other, ostart, oend in spans[k + 1:]:
            if other != node:
                worst = max(worst, min(end, oend) - max(start, ostart))
    return worst


def first_promotion(lab, after):
    """When the first promote that began after `after` succeeded; or None."""
    found = [wall for node in lab.nodes()
             for wall, agent, action, what in agent_lines(lab, node)
             if agent == "outbound" and action == "promote" and what == 0
             and wall > after]
    return min(found, default=None)


def partner_renames(lab):
    """[(wall, final path)] as the partner's server logged them."""
    with open(lab.path("partner", "/var/log/syslog"), encoding="utf-8",
              errors="replace") as f:
        return [(float(when), new) for when, new in _RENAME.findall(f.read())]


def grep_after(path, pattern, skip):
    """Whether the file's text behind `skip` bytes matches."""
    with open(path, "rb") as f:
        f.seek(skip)
        return re.search(pattern, f.read()) is not None


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0
