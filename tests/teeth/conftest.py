# Part of mftd; see LICENSE.
"""Options of the tests' own test."""


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="the changes too that take a test long to notice")
