# Part of mftd; see LICENSE.
"""Options of the tests' own test."""
import collections


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="the changes too that take a test long to notice")
    parser.addoption("--share", metavar="I/N", default="0/1",
                     help="of N shares of all programs only the one numbered "
                     "I, from 0; the first have those with the most changes")


def program_of(item):
    """The test program that it runs, or no other's name."""
    given = getattr(item, "callspec", None)
    if given is None:
        return item.name
    change = given.params.get("mutation")
    return change.test[0] if change else given.params["test"][0]


def pytest_collection_modifyitems(config, items):
    """A program is asked of make once: all its changes are in one share."""
    i, n = map(int, config.getoption("--share").split("/"))
    groups = collections.defaultdict(list)
    for item in items:
        groups[program_of(item)].append(item)
    shares = [[] for _ in range(n)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(shares, key=len).extend(group)
    mine = set(shares[i])
    config.hook.pytest_deselected(
        items=[item for item in items if item not in mine])
    items[:] = [item for item in items if item in mine]
