# Part of mftd; see LICENSE.
"""One run in which all is well, and what the judge says when one thing of it
is not."""
import copy

import pytest
from history import checker
from history.recorder import OK, REFUSED, UNKNOWN
from history.world import OTHER, STREAM, World, sha

@pytest.fixture(name="world")
def _world():
    """Uploads told ok, refused, unknown; renamed and removed ones."""
    world = World()
    world.put("a", "1")
    world.put("b", "2", REFUSED, happens=False)
    world.put("c", "3", UNKNOWN, happens=False)
    world.put("d", "4", UNKNOWN)
    world.put("e", "5", UNKNOWN)
    world.put("e", "5")
    world.put("f", "6", kind="resume")
    world.ask("rename", "f", OK, to="g")
    world.change("rename", "f", "g")
    world.storage["alice/g"] = world.storage.pop("alice/f")
    world.record("abandoned", part="of no receipt")
    world.record("audit", event="logout")
    return world


def kinds(verdict):
    return sorted(v.kind for v in verdict.violations)


def test_all_is_well(world):
    verdict = world.judge()
    assert kinds(verdict) == []
    assert verdict.good
    assert verdict.counts == {
        "acknowledged": 3, "refused": 1, "unknown": 3, "other": 1, "lost": 0,
        "corrupt": 0, "duplicated": 0, "violations": 0, "delivered": 3,
        "in_doubt": 0, "cuts": 1, "kills": 0,
        "judged": "storage+journals+catalog+partner"}


def test_what_is_not_observed_is_not_judged_and_said(world):
    world.records.clear()
    verdict = world.judge("journals", "catalog", "partner")
    assert verdict.good and verdict.counts["judged"] == "storage"
    with pytest.raises(checker.BadObservations):
        world.judge("journals")
    with pytest.raises(checker.BadObservations):
        world.judge("catalog")


# ---- the storage

def test_lost(world):
    del world.storage["alice/a"]
    verdict = world.judge()
    assert kinds(verdict) == ["lost"] and verdict.counts["lost"] == 1
    assert "c#2 put alice/a (1 bytes, 111111111111): ok" in str(verdict)


def test_corrupt(world):
    world.storage["alice/a"]["sha256"] = sha("f")
    verdict = world.judge()
    assert kinds(verdict) == ["corrupt"] and verdict.counts["corrupt"] == 1


def test_short_is_corrupt(world):
    world.storage["alice/d"]["size"] = 0
    assert kinds(world.judge()) == ["corrupt"]


def test_an_older_one_came_back(world):
    world.put("a", "7")
    world.storage["alice/a"]["sha256"] = sha("1")
    verdict = world.judge()
    assert kinds(verdict) == ["stale"] and verdict.counts["lost"] == 1


def test_a_removed_one_came_back(world):
    world.ask("remove", "a", OK)
    world.change("remove", "a")
    assert kinds(world.judge()) == ["returned"]
    del world.storage["alice/a"]
    assert world.judge().good


def test_a_refused_one_is_there(world):
    world.storage["alice/b"] = {"size": 1, "sha256": sha("2")}
    assert kinds(world.judge()) == ["returned"]


def test_renamed_into_neither_or_both(world):
    there = world.storage.pop("alice/g")
    verdict = world.judge()
    assert kinds(verdict) == ["lost"]
    assert "put alice/f" not in str(verdict)
    assert "rename alice/f -> alice/g: ok" in str(verdict)
    world.storage |= {"alice/f": there, "alice/g": there}
    assert kinds(world.judge()) == ["returned"]


def test_unknown_rename_is_in_one_place(world):
    world.ask("rename", "a", UNKNOWN, to="z")
    assert world.judge().good
    there = world.storage.pop("alice/a")
    verdict = world.judge()
    assert kinds(verdict) == ["torn"] and verdict.counts["lost"] == 1
    assert "not all of them: all absent" in str(verdict)
    world.storage["alice/z"] = there
    assert world.judge().good


def test_a_part_under_a_name_nobody_asked_for(world):
    world.storage["alice/a.filepart"] = {"size": 1, "sha256": sha("1")}
    assert kinds(world.judge()) == ["stray"]


def test_told_what_cannot_be(world):
    world.ask("mkdir", "a", OK)
    world.change("mkdir", "a")
    assert kinds(world.judge()) == ["untrue"]


def test_a_directory_where_a_file_should_be(world):
    world.storage["alice/a"] = {"directory": True}
    verdict = world.judge()
    assert kinds(verdict) == ["corrupt"]
    assert "alice/a is a directory, not 1 bytes" in str(verdict)


def test_more_possibilities_than_can_be_judged(world, monkeypatch):
    monkeypatch.setattr(checker.storage.search, "CONFIGURATIONS", 1)
    assert "undecided" in kinds(world.judge())


def test_from_before(world):
    old = {"size": 1, "sha256": sha("9")}
    world.storage["alice/old"] = old
    world.before = {"storage": {"alice/old": old}}
    assert world.judge().good
    del world.storage["alice/old"]
    assert kinds(world.judge()) == ["lost"]
    world.storage["alice/old"] = {"size": 0, "sha256": sha("9")}
    assert kinds(world.judge()) == ["corrupt"]


# ---- the journals

def drop(world, wanted):
    """A record less, as if it had not been written: others move up."""
    world.records = [r for r in world.records if not wanted(r)]
    for n, record in enumerate(world.records):
        record["seq"] = n + 1
    for row in world.rows:
        row["seq"] = next((r["seq"] for r in world.records
                           if r["type"] == "receipt"
                           and r["receipt"] == row["id"]), 0)


def test_acknowledged_without_a_receipt(world):
    id_ = world.rows[0]["id"]
    drop(world, lambda r: r.get("receipt") == id_)
    world.rows.pop(0)
    world.deliveries.pop(0)
    del world.partner["a"], world.arrivals["a"]
    assert kinds(world.judge()) == ["unreceipted"]
    assert world.judge().counts["lost"] == 1
    world.put("a", "1")
    assert "1 acknowledged without a receipt" in str(world.judge())
    world.ask("put", "a", OK, size=1, sha256=sha("1"))
    assert "2 acknowledged without a receipt" in str(world.judge())


def test_receipt_of_what_was_refused(world):
    world.publish("b", "2", "published")
    world.deliver("b", "2")
    assert kinds(world.judge()) == ["receipt"]


def test_receipt_of_what_nobody_asked_for(world):
    world.publish("stranger", "8")
    world.deliver("stranger", "8")
    assert kinds(world.judge()) == ["receipt"]


def test_a_receipt_more_than_uploads(world):
    for times in (1, 2):
        world.publish("a", "1")
        world.deliver("a", "1")
        verdict = world.judge()
        assert kinds(verdict) == ["duplicated"]
        assert f"{times} receipts more than uploads" in str(verdict)


def test_resume_of_what_is_complete_publishes_nothing(world):
    world.ask("resume", "a", OK, size=1, sha256=sha("1"))
    world.ask("resume", "c", UNKNOWN, size=1, sha256=sha("3"))
    assert world.judge().good
    world.ask("resume", "b", OK, size=1, sha256=sha("2"))
    world.storage["alice/b"] = {"size": 1, "sha256": sha("2")}
    assert kinds(world.judge()) == ["unreceipted"]


def test_receipt_without_a_sum(world):
    """The upload was not sequential; a reader may have added it later."""
    record, = (r for r in world.records if r.get("path") == "a")
    del record["sha256"]
    assert world.judge().good
    world.publish("a", "1")
    del world.records[-2]["sha256"]
    world.deliver("a", "1")
    assert kinds(world.judge()) == ["duplicated"]
    record["sha256"] = sha("1")
    assert kinds(world.judge()) == ["duplicated"]
    world.ask("put", "a", UNKNOWN, size=1, sha256=sha("1"))
    world.ask("put", "a", UNKNOWN, size=1, sha256=sha("1"))
    assert world.judge().good
    world.publish("a", "1")
    del world.records[-2]["sha256"]
    world.deliver("a", "1")
    assert world.judge().good


def test_abandoned_is_no_receipt(world):
    world.publish("b", "2", "abandoned")
    world.publish("c", "3", "abandoned")
    assert world.judge().good
    world.records[1]["type"] = "abandoned"
    world.rows[0]["outcome"] = "ABANDONED"
    # what goes out was not published, either
    assert set(kinds(world.judge())) == {"unreceipted", "stray"}


def test_of_many_operations_the_last_are_shown(world):
    for _ in range(40):
        world.put("many", "1")
    del world.storage["alice/many"]
    lines = str(world.judge()).splitlines()
    assert len(lines) == 33
    assert lines[1].startswith("lost: alice/many")
    assert lines[2] == "    ... 10 before these"


def test_records_are_shown_on_a_line_each(world):
    world.record("published", OTHER, receipt=world.rows[0]["id"])
    assert str(world.judge()).endswith(f"""
outcome: {STREAM}.1: 2 outcomes
    stream={STREAM} seq=1 type=receipt time=000000 receipt={STREAM}.1 \
account=alice volume=main root=alice path=a inode=100 size=1 \
sha256={sha("1")} routes=True
    stream={STREAM} seq=2 type=published time=000001 receipt={STREAM}.1
    stream={OTHER} seq=1 type=published time=000013 receipt={STREAM}.1""")


def test_receipt_without_an_outcome(world):
    world.publish("c", "3")
    world.records.pop()
    world.rows[-1]["outcome"] = "OPEN"
    assert kinds(world.judge()) == ["outcome"]


def test_outcomes_that_contradict_each_other(world):
    id_ = world.rows[0]["id"]
    world.record("abandoned", OTHER, receipt=id_)
    assert "outcome" in kinds(world.judge())


def test_two_recoverers_say_the_same(world):
    """Allowed: the first one died.  The stream itself says it but once."""
    id_ = world.publish("d", "4", "abandoned")
    world.records[-1]["stream"], world.records[-1]["seq"] = OTHER, 1
    world.record("abandoned", "n3-00-j1", receipt=id_)
    assert world.judge().good
    world.record("abandoned", "n3-00-j1", receipt=id_)
    assert kinds(world.judge()) == ["outcome"]


def test_own_stream_and_a_recoverer(world):
    world.record("published", OTHER, receipt=world.rows[0]["id"])
    assert kinds(world.judge()) == ["outcome"]


def test_outcome_of_nothing(world):
    world.record("published", receipt="n1-00-j1.ff")
    assert kinds(world.judge()) == ["outcome"]


def test_receipt_twice(world):
    world.records.append({**world.records[0], "seq": len(world.records) + 1})
    assert "receipt" in kinds(world.judge())


def test_stream_that_is_not_whole(world):
    def judged(**changed):
        return world.judge_of({
            "storage": world.storage, "journals": {
                "records": world.records, "verified": [
                    {"stream": STREAM, "verdict": "live", "good": True,
                     **changed}]}})
    assert judged().good
    assert kinds(judged(verdict="CUT", good=False)) == ["journal"]
    assert kinds(judged(stream="another")) == ["journal"]
    world.records[3]["seq"] = 3
    assert set(kinds(judged())) == {"journal"}


def test_records_that_are_missing(world):
    for record in world.records[-1:]:
        record["seq"] += 5
    assert "journal" in kinds(world.judge())


def test_acknowledged_rename_without_a_record(world):
    drop(world, lambda r: r["type"] == "rename")
    assert kinds(world.judge()) == ["record"]
    for path, to in (("g", "f"), ("d/f", "g"), ("f", "d/g")):
        other = copy.deepcopy(world)
        other.change("rename", path, to)
        assert kinds(other.judge()) == ["record", "record"]
    world.change("rename", "f", "g")
    assert world.judge().good


def test_remove_of_the_same_name_elsewhere(world):
    world.ask("remove", "a", OK)
    del world.storage["alice/a"]
    other = copy.deepcopy(world)
    other.change("remove", "d/a")
    assert kinds(other.judge()) == ["record", "record"]
    world.change("remove", "a")
    assert world.judge().good


# ---- the catalog

def test_receipt_that_was_not_forwarded(world):
    row = world.rows.pop(0)
    world.deliveries.pop(0)
    world.partner.pop("a")
    world.arrivals.pop("a")
    verdict = world.judge()
    assert kinds(verdict) == ["unforwarded"] and verdict.counts["lost"] == 1
    assert row["id"] in str(verdict)


def test_forwarded_differently(world):
    for wrong in ({"outcome": "OPEN"}, {"size": 2}, {"path": "x"},
                  {"sha256": sha("0")}):
        other = copy.deepcopy(world)
        other.rows[0] |= wrong
        assert kinds(other.judge()) == ["catalog"], wrong


def test_forwarded_twice(world):
    world.rows.append(dict(world.rows[0]))
    assert kinds(world.judge()) == ["catalog"]


def test_catalog_has_what_no_journal_has(world):
    world.rows.append({**world.rows[0], "id": "n9.1"})
    assert kinds(world.judge()) == ["catalog"]


@pytest.mark.parametrize("off", [
    {"mark": -1, "records": -1, "last": -1}, {"records": -1}, {"last": 1}],
    ids=str)
def test_streams_in_the_catalog(world, off):
    world.publish("c", "3", "abandoned")
    n = len(world.records)
    world.record("audit", event="login")    # may come later
    right = {"stream": STREAM, "mark": n, "records": n, "last": n}

    def judged(row):
        return world.judge_of({
            "storage": world.storage,
            "journals": {"records": world.records, "verified": [
                {"stream": STREAM, "verdict": "live", "good": True}]},
            "catalog": {"receipts": world.rows, "streams": [row],
                        "deliveries": world.deliveries}})
    assert judged(right).good
    wrong = {what: n + by for what, by in off.items()}
    assert kinds(judged({**right, **wrong})) == ["catalog"]


# ---- deliveries and the partner

def test_what_was_not_published_goes_out(world):
    world.deliveries[0]["receipt"] = f"{STREAM}.ffff"
    assert "stray" in kinds(world.judge())


def test_other_bytes_than_were_published_go_out(world):
    world.deliveries[0]["sha256"] = sha("other")
    name = world.deliveries[0]["name"]
    world.partner[name] = {"size": 1, "sha256": sha("other")}
    assert "corrupt" in kinds(world.judge())


def test_sent_twice(world):
    world.arrivals["a"] += 1
    verdict = world.judge()
    assert kinds(verdict) == ["duplicated"]
    assert verdict.counts["duplicated"] == 1


def test_two_rows_of_one_receipt(world):
    world.deliveries.append({**world.deliveries[0], "id": "d99"})
    assert "duplicated" in kinds(world.judge())


def test_not_sent(world):
    world.deliveries[0]["state"] = "WAITING"
    world.arrivals.pop("a")
    world.partner.pop("a")
    verdict = world.judge()
    assert kinds(verdict) == ["undelivered"]
    assert verdict.counts["delivered"] == 2


def test_no_delivery(world):
    world.deliveries.pop(0)
    world.arrivals.pop("a")
    world.partner.pop("a")
    assert kinds(world.judge()) == ["undelivered"]
    world.rows[0]["routed"] = 0
    assert world.judge().good
    world.rows[0]["routed"] = 1
    assert kinds(world.judge()) == ["undelivered"]
    world.records[0]["routes"] = False
    assert world.judge().good


def test_said_to_be_sent_but_is_not(world):
    world.arrivals.pop("a")
    world.partner.pop("a")
    assert kinds(world.judge()) == ["lost", "undelivered"]


def test_delivered_are_counted_one_by_one(world):
    world.put("a", "1")
    verdict = world.judge()
    assert verdict.good and verdict.counts["delivered"] == 4


def test_delivered_by_its_repetition(world):
    world.put("a", "1")
    world.rows[0]["replaced_by"] = world.rows[-1]["id"]
    world.deliveries[0]["state"] = "CANCELLED"
    world.arrivals["a"] -= 1
    verdict = world.judge()
    assert verdict.good and verdict.counts["delivered"] == 4
    world.deliveries[-1]["state"] = "IN_DOUBT"
    assert world.judge().counts["delivered"] == 2


@pytest.fixture(name="versions")
def _versions(world):
    """Two of "a", of which each overwrites what is there."""
    world.put("a", "f")
    both = [d for d in world.deliveries if d["name"] == "a"]
    for number, row in enumerate(both):
        row.update(if_exists="overwrite", skipped=0, error="",
                   order_us=number, order_seq=number)
    assert world.judge().good
    return both


def test_older_version_stays(world, versions):
    world.partner["a"]["sha256"] = versions[0]["sha256"]
    assert kinds(world.judge()) == ["corrupt"]
    for row in versions:
        row["if_exists"] = "number"
    assert world.judge().good


def test_replaced_by_a_later_version(world, versions):
    versions[0].update(state="CANCELLED",
                       error="replaced by a later version: d3")
    world.arrivals["a"] = 1
    assert world.judge().good
    versions[1]["state"] = "IN_DOUBT"
    assert kinds(world.judge()) == ["undelivered"]


def test_replaced_by_an_earlier_version(world, versions):
    versions[1].update(state="CANCELLED",
                       error="replaced by a later version: d0")
    world.arrivals["a"] = 1
    world.partner["a"]["sha256"] = versions[0]["sha256"]
    assert kinds(world.judge()) == ["undelivered"]


def test_repetition_was_there(world):
    world.put("a", "1")
    world.deliveries[-1].update(skipped=1)
    world.arrivals["a"] -= 1
    verdict = world.judge()
    assert verdict.good and verdict.counts["delivered"] == 4
    world.arrivals["a"] += 1
    assert kinds(world.judge()) == ["duplicated"]


def test_repetition_of_nothing(world):
    world.put("a", "f")
    world.deliveries[-1].update(skipped=1)
    world.arrivals["a"] -= 1
    assert kinds(world.judge()) == ["undelivered"]


def test_in_doubt_is_counted_and_may_be_there_or_not(world):
    world.deliveries[0]["state"] = "IN_DOUBT"
    verdict = world.judge()
    assert verdict.good and verdict.counts["in_doubt"] == 1
    world.arrivals.pop("a")
    world.partner.pop("a")
    assert world.judge().good
    world.arrivals["a"] = 2
    assert kinds(world.judge()) == ["duplicated"]


def test_corrupt_at_the_partner(world):
    world.partner["a"]["sha256"] = sha("f")
    verdict = world.judge()
    assert kinds(verdict) == ["corrupt"] and verdict.counts["corrupt"] == 1


def test_stranger_at_the_partner(world):
    world.partner["a.tmp"] = {"size": 1, "sha256": sha("1")}
    assert kinds(world.judge()) == ["stray"]


def seen_by_partner(world, **more):
    """The verdict with what a partner knows beside files and arrivals."""
    class Knowing(World):
        def judge_of(self, seen):
            return super().judge_of(
                {**seen, "partner": {**seen["partner"], **more}})

    knowing = Knowing()
    knowing.__dict__.update(world.__dict__)
    return knowing.judge()


def appeared(name, letter):
    return {"name": name, "size": 1, "sha256": sha(letter)}


def test_other_bytes_came_and_were_taken(world):
    """Nothing of it is there any more but what the partner has noted."""
    right = [appeared("a", "1"), appeared("d", "4")]
    assert seen_by_partner(world, appeared=right).good
    for wrong in (appeared("a", "2"), appeared("c", "1")):
        verdict = seen_by_partner(world, appeared=[*right, wrong])
        assert kinds(verdict) == ["corrupt"], str(verdict)


def test_doubt_where_none_is_needed(world):
    world.deliveries[0]["state"] = "IN_DOUBT"
    assert seen_by_partner(world, may_doubt=["a"]).good
    verdict = seen_by_partner(world, may_doubt=["b"])
    assert kinds(verdict) == ["doubted"]


def test_bytes_from_before(world):
    """What came before the history is not judged, what came later is."""
    old = [appeared("a", "9")]
    world.before = {"partner": {"files": {}, "arrivals": {},
                                "appeared": old}}
    assert seen_by_partner(world, appeared=old).good
    assert kinds(seen_by_partner(world, appeared=old * 2)) == ["corrupt"]


def test_cancelled_must_not_arrive(world):
    world.deliveries[0]["state"] = "CANCELLED"
    assert kinds(world.judge()) == ["duplicated", "stray"]


def test_outcome_of_a_receipt_from_before(world):
    world.publish("c", "3", "abandoned")
    begun = len(world.records) - 1
    world.lines.clear()
    world.before = {"storage": dict(world.storage), "since": {STREAM: begun},
                    "partner": {"files": dict(world.partner),
                                "arrivals": dict(world.arrivals)}}
    assert world.records[begun - 1]["type"] == "receipt"
    assert world.judge().good


def test_from_before_at_the_partner_and_in_the_journals(world):
    """A history that begins when all of that is there already."""
    world.before = {
        "storage": dict(world.storage), "since": {STREAM: len(world.records)},
        "partner": {"files": dict(world.partner),
                    "arrivals": dict(world.arrivals)}}
    world.lines.clear()
    assert world.judge().good
    world.put("late", "a")
    assert world.judge().good
    world.partner["d"] = {"size": 1, "sha256": sha("0")}
    assert kinds(world.judge()) == ["stray"]
    world.partner["d"] = {"size": 1, "sha256": sha("4")}
    world.arrivals["d"] += 1
    assert kinds(world.judge()) == ["duplicated", "stray"]
