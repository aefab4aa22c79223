# Part of mftd; see LICENSE.
"""The tests' own test: with a sync, a commit, a check of the lease or a rule of
recovery taken out of the code, the test that is there for it fails.

One source file is compiled with the change and linked into the test program in
place of its own; nothing in the checkout or the build is touched.  MFTD_BUILD
names a configured build of this checkout.  "--long" tries those too that take
their time.
"""

import functools
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from mutations import MUTATIONS, POSTGRES

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MFTD_BUILD", TOP))
PATIENCE_S = 300        # a test that hangs has not failed as it should

# a call: a function's own definition begins its line
SYNC = re.compile(r"(?<!\n)\b(mftd_sync_(all|data|dir|parent|start)"
                  r"|mftd_work_(touch|sync)|sync_dir"
                  r"|fsync|fdatasync|sync_file_range|syncfs|msync)\(")


def make(*args):
    done = subprocess.run(["make", "-s", "-C", BUILD, *args], text=True,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout


@functools.cache
def words(*variables):
    """What the build's Makefile holds in them, as words."""
    text = " ".join(f"$({name})" for name in variables)
    shown = make(f"--eval=teeth-show: ; @echo 'teeth: {text}'", "teeth-show")
    # make may say before it that it makes the Makefile again
    return shlex.split(shown.rpartition("teeth: ")[2])


class Program:
    """A test program of the build, to be linked again."""

    def __init__(self, path):
        self.path = path
        make("-j2", path)
        name = path.replace("/", "_")
        self.objects = words(f"{name}_OBJECTS")
        self.libraries = words(f"{name}_LDADD", "LIBS")
        # as automake does: a program's own take the place of everyone's
        self.flags = words(f"{name}_LDFLAGS") or words("AM_LDFLAGS")

    def link(self, into, objects):
        """objects come before the build's own, whose place they take."""
        subprocess.run(
            [*words("CCLD", "AM_CFLAGS", "CFLAGS"), *self.flags,
             *words("LDFLAGS"), "-o", into, *objects, *self.objects, *self.libraries],
            cwd=BUILD, check=True)


@pytest.fixture(scope="session", name="program")
def program_fixture():
    known = {}

    def find(path):
        if path not in known:
            known[path] = Program(path)
        return known[path]
    return find


def run(program, args, scratch):
    """Returns the exit status; its output is shown when the case fails."""
    command = [program, *args]
    if args[:1] == [POSTGRES]:
        command = [TOP / "tests/unit/catalog" / POSTGRES, program, *args[1:]]
    done = subprocess.run(
        command, cwd=scratch, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=PATIENCE_S,
        env=dict(os.environ, top_srcdir=str(TOP)))
    print(done.stdout[-4000:])
    return done.returncode


def mutate(mutation):
    text = (TOP / mutation.file).read_text(encoding="utf-8")
    n = text.count(mutation.before)
    assert n == 1, f"{mutation.file} has this text {n} times, not once:\n" \
        f"{mutation.before}"
    return text.replace(mutation.before, mutation.after)


def compile_mutant(mutation, scratch):
    source = scratch / pathlib.Path(mutation.file).name
    source.write_text(mutate(mutation), encoding="utf-8")
    mutant = scratch / "mutant.o"
    # the agents include from beside themselves; mftd has a limits.h, which the
    # compiler's own would take for the system's
    beside = [] if mutation.file.startswith("mftd/") \
        else ["-iquote", (TOP / mutation.file).parent]
    subprocess.run([*words("COMPILE"), "-w", *beside, "-c", source,
                    "-o", mutant],
                   cwd=BUILD, check=True)
    return mutant


def test_each_sync_has_a_row():
    """Who adds one adds a test that fails without it, and its row."""
    missing = []
    for path in sorted((TOP / "mftd").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(TOP))
        rows = [(text.find(m.before), len(m.before)) for m in MUTATIONS
                if m.file == name]
        for call in SYNC.finditer(text):
            if not any(at <= call.start() < at + n for at, n in rows):
                line = text.count("\n", 0, call.start()) + 1
                missing.append(f"{name}:{line}: {call.group()}")
    assert not missing


@pytest.mark.parametrize(
    "test", sorted({m.test for m in MUTATIONS if not m.long}), ids=" ".join)
def test_unchanged_passes(test, program, tmp_path):
    """Else a failure below would say nothing."""
    path, *args = test
    program(path)
    assert run(BUILD / path, args, tmp_path) == 0


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_is_noticed(mutation, program, tmp_path, pytestconfig):
    """The test fails, by its own verdict, with the change."""
    path, *args = mutation.test
    if mutation.long and not pytestconfig.getoption("--long"):
        mutate(mutation)        # the row holds all the same
        return
    mutant = tmp_path / "test"
    program(path).link(mutant, [compile_mutant(mutation, tmp_path)])
    assert run(mutant, args, tmp_path) > 0, f"{path} {args} passes"
