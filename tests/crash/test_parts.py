# Part of mftd; see LICENSE.
"""The judge of unfinished uploads, by parts made for it."""
import parts
import pytest
from plan import Op


@pytest.fixture(name="make")
def _make(tmp_path):
    def upload(text):
        source = tmp_path / text
        source.write_text(text)
        return Op("put", "d/x", source, len(text))

    def part(text, count):
        path = tmp_path / "part"
        path.write_text(text)
        return parts.Dormant("x", "n1-1", count, path)

    return upload, part


def kinds(part, ops, durable):
    return [f.kind for f in parts.judge_dormant(part, ops, {"n1-1": durable})]


def test_a_part_is_of_either_of_two_uploads(make):
    upload, part = make
    first, second = ops = [upload("first"), upload("second")]
    shown = part("fir", 3)
    assert kinds(shown, ops, 3) == []
    assert parts.owners(shown, ops) == [first]
    assert parts.owners(part("sec", 3), ops) == [second]


def test_what_lies_behind_is_not_shown(make):
    upload, part = make
    assert kinds(part("fi\0\0t", 2), [upload("first")], 2) == []


@pytest.mark.parametrize("text,count,durable,uploads", [
    ("fi\0", 3, 3, ["first"]),          # not its own
    ("first", 4, 3, ["first"]),         # more than is durable
    ("fi", 3, 3, ["first"]),            # more than there is
    ("fir", 3, 3, []),                  # nobody's
])
def test_it_is_found(make, text, count, durable, uploads):
    upload, part = make
    assert kinds(part(text, count), list(map(upload, uploads)),
                 durable) == ["corrupt"]


@pytest.mark.parametrize("count,left,published,found", [
    (4, 3, False, []),
    (4, 2, False, ["lost"]),
    (4, 0, True, []),
    (4, None, False, ["lost"]),
])
def test_what_was_synced_stays(make, count, left, published, found):
    upload, part = make
    there = [] if left is None else [part("first"[:left], left)]
    assert [f.kind for f in parts.judge_synced(
        upload("first"), count, there, published)] == found
