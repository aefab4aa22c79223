# Part of mftd; see LICENSE.
"""Options of the tests' own test."""


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="the changes too that take a test long to notice")
    parser.addoption("--share", metavar="I/N", default="0/1",
                     help="of every N tests only the one numbered I, from 0")


def pytest_collection_modifyitems(config, items):
    i, n = map(int, config.getoption("--share").split("/"))
    config.hook.pytest_deselected(
        items=[item for at, item in enumerate(items) if at % n != i])
    items[:] = items[i::n]
