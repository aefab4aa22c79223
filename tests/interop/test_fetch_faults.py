# Part of mftd; see LICENSE.
"""A partner that drops its connection at the packets of looks, of a fetch, and of
what comes after it: each file comes once, whole, and goes from there once it has
come."""
import collections
import contextlib
import time

from faults.partner import address, FaultyPartner
from faults.plan import CUTS, Fault
from finds import files, FindRun
from rig import Rig, USER

DATA = bytes(range(256)) * 4000     # several READs
PATIENCE_S = 180
AGAIN = 6       # connections, over one of which a file is fetched
CASES = 32      # the routes of a queue that may fetch
_PARTNER = "{like}    source: {source}\n    request_s: 10\n"
_ROUTE = """  - name: r{case}
    from_partner: {{partner: p{case}, directory: from{case}, volume: main,
      every_s: 1, stable_s: 1, fetched: delete}}
    to_account: alice
    to_directory: box
"""


class FaultRun(FindRun):
    """Each case has a partner of its own, and a folder there."""

    def __init__(self, rig, name, partner, cases):
        self.cases = cases
        super().__init__(rig, name, partner)

    def partner(self):
        """Nothing goes to it."""
        return None

    def sources(self):
        return {f"p{case}:from{case}": {
            "routes": [f"r{case}"], "directory": f"from{case}",
            "fetched": "delete",
            "there": files(self.at.home / f"from{case}")}
                for case in range(self.cases)}

    def give_to(self, case):
        name, data = f"file{case}", DATA + b"%d" % case
        self.place(f"p{case}:from{case}", name, data)
        (self.at.top / "fresh").write_bytes(data)
        (self.at.top / "fresh").rename(self.at.home / f"from{case}" / name)


def wait_gone(run):
    """What could not be removed is tried again after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while any(source["there"] for source in run.sources().values()):
        assert time.monotonic() < deadline, run.rig.log_tail()
        time.sleep(0.2)     # a file that goes is no event here


def play(name, faults):
    """What the partner was asked, once all has come and is gone there."""
    cases = range(len(faults))
    with contextlib.ExitStack() as stack:
        partner = stack.enter_context(FaultyPartner(USER))
        rig = stack.enter_context(Rig())
        for case in cases:
            (partner.home / f"from{case}").mkdir()
            partner.plan(case, faults[case])
        rig.up()
        run = stack.enter_context(FaultRun(rig, name, partner, len(cases)))
        for case in cases:
            run.give_to(case)
        # the first connection finds them there
        rig.mftctl("apply", rig.accounts(
            "accounts:\n  - name: alice\n    volume: main\n"
            f"    root: alice\n    keys: [\"{rig.alice}\"]\npartners:\n"
            + "".join(_PARTNER.format(
                like=partner.objects(name=f"p{case}"), source=address(case))
                      for case in cases)
            + "routes:\n" + "".join(_ROUTE.format(case=case)
                                    for case in cases)))
        wait_gone(run)
        verdict = run.assert_good(found=len(cases))
        assert verdict.counts["found_delivered"] == len(cases)
        assert not partner.trouble()
        return partner.story()


def numbered(connection):
    """[(kind, which of that kind it is)]"""
    seen = collections.Counter()
    for kind in connection:
        seen[kind] += 1
        yield kind, seen[kind]


def points(story):
    """All packets of a look, and those that a fetch and a removal have beside:
    [(kind, number, over which connections that may be)]"""
    calm = collections.defaultdict(list)
    for line in story:
        calm[line["connection"]].append(line["kind"])
    calm = [calm[n] for n in sorted(calm)]
    look = list(numbered(calm[0]))
    found = [(*each, 1) for each in look]
    for what in ("read", "remove"):
        one, = (c for c in calm if what in c)
        found += [(*each, AGAIN) for each in numbered(one)
                  if each not in look]
    return sorted(set(found))


def test_dropped_at_its_packets():
    """What changes something in each way, of the others each in one.  What is
    dropped comes again, and is dropped again."""
    story = play("fetch-calm", [()])
    todo = [(how, *point) for i, point in enumerate(points(story))
            for how in (CUTS if point[0] in ("remove", "open")
                        else CUTS[i % 3:i % 3 + 1])]
    assert {"opendir", "read", "remove"} <= {kind for _, kind, *_ in todo}
    assert len(todo) <= CASES, todo
    story = play("fetch-dropped", [tuple(
        Fault(how, n, kind=kind, nth=nth) for n in range(1, last + 1))
        for how, kind, nth, last in todo])
    dropped = {line["case"] for line in story if line["how"] in CUTS}
    assert len(dropped) == len(todo)
