# Part of mftd; see LICENSE.
"""What the judge says: counts, and each violation with what it concerns."""
import collections
import dataclasses


SHOWN = 30      # the last ones of what a violation concerns


@dataclasses.dataclass(frozen=True)
class Violation:
    kind: str       # a key of COUNTED, or another word
    what: str
    concerns: tuple = ()    # operations, records, rows: what can be printed

    def __str__(self):
        lines = [f"{self.kind}: {self.what}"]
        if len(self.concerns) > SHOWN:
            lines.append(f"    ... {len(self.concerns) - SHOWN} before these")
        lines += [f"    {_line(each)}" for each in self.concerns[-SHOWN:]]
        return "\n".join(lines)


def _line(concerned):
    """A record or a row as key=value, what is empty left out."""
    if not isinstance(concerned, dict):
        return str(concerned)
    return " ".join(f"{k}={v}" for k, v in concerned.items()
                    if v not in (None, "", 0))


# Which kinds of violations make up which count.
COUNTED = {
    "lost": {"lost", "stale", "torn", "unreceipted", "unforwarded",
             "unfound"},
    "corrupt": {"corrupt"},
    "duplicated": {"duplicated"},
}


def count(violations):
    """{count: how many}"""
    kinds = collections.Counter(v.kind for v in violations)
    return {name: sum(kinds[k] for k in of) for name, of in COUNTED.items()}


@dataclasses.dataclass(frozen=True)
class Verdict:
    counts: dict
    violations: tuple

    @property
    def good(self):
        return not self.violations

    def line(self):
        return " ".join(f"{k}={v}" for k, v in self.counts.items())

    def __str__(self):
        return "\n".join([self.line(), *map(str, self.violations)])
