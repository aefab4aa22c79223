# Part of mftd; see LICENSE.
"""Files of a folder and of a partner's: all is well, and what the judge says
when one thing is not."""
import json

import pytest
from history import checker, observe
from history.world import World, sha

FOLDER = "drop/in"
PULLS = {fetched: f"acme:{fetched}" for fetched in ("keep", "delete", "move")}


@pytest.fixture(name="world")
def _world():
    """Of each a file; in the folder another one of two versions, of which the
    first one was replaced before anybody saw it, and one of two that came."""
    world = World()
    world.put("a", "1")
    world.source(FOLDER)
    for fetched, what in PULLS.items():
        world.source(what, directory=fetched, fetched=fetched,
                     **({"taken": {}} if fetched == "move" else {}))
        world.place(what, fetched, "2")
        world.find(what, fetched, "2")
    world.place(FOLDER, "b", "3")
    world.find(FOLDER, "b", "3")
    for letter in "45":
        world.place(FOLDER, "unseen", letter)
    world.find(FOLDER, "unseen", "5")
    for letter in "67":
        world.place(FOLDER, "c", letter)
        world.client("w", event="stood", of=FOLDER, name="c")
        world.find(FOLDER, "c", letter)
    return world


def kinds(world, *without):
    return sorted(v.kind for v in world.judge(*without).violations)


def drop(world, path, letter=None):
    """As if it had not been found."""
    row, = (r for r in world.found if r["path"] == path and (
        letter is None or r["sha256"] == sha(letter)))
    delivery = delivery_of(world, row)
    world.found.remove(row)
    world.deliveries.remove(delivery)
    world.arrivals[delivery["name"]] -= 1
    if not world.arrivals[delivery["name"]]:
        del world.partner[delivery["name"]]
    world.pulls = [p for p in world.pulls if p["receipt"] != row["id"]]


def delivery_of(world, row):
    found, = (d for d in world.deliveries if d["receipt"] == row["id"])
    return found


def found(world, path):
    return next(row for row in world.found if row["path"] == path)


def test_all_is_well(world):
    verdict = world.judge()
    assert verdict.good, str(verdict)
    assert verdict.counts["judged"].endswith("partner+sources")
    assert (verdict.counts["placed"], verdict.counts["found"],
            verdict.counts["found_delivered"]) == (8, 7, 7)


def test_where_nobody_looks_it_is_not_judged(world):
    world.deliveries[-1]["state"] = "WAITING"
    assert kinds(world, "sources", "partner") == []
    with pytest.raises(checker.BadObservations):
        world.judge("catalog", "partner")


@pytest.mark.parametrize("path, letter", [
    (f"{FOLDER}/b", None), (f"{FOLDER}/unseen", None), (f"{FOLDER}/c", "6"),
    (f"{FOLDER}/c", "7"), ("acme:keep/keep", None)])
def test_not_found(world, path, letter):
    drop(world, path, letter)
    if letter == "7":
        world.partner["c"]["sha256"] = sha("6")
    verdict = world.judge()
    assert [v.kind for v in verdict.violations] == ["unfound"], str(verdict)
    assert verdict.counts["lost"] == 1


def test_not_by_each_route(world):
    world.sources[FOLDER]["routes"].append("other")
    assert kinds(world) == ["unfound"] * 3
    for name, letter in (("b", "3"), ("unseen", "5"), ("c", "6"), ("c", "7")):
        world.find(FOLDER, name, letter, "other", f"other-{name}")
    assert kinds(world) == []


def test_by_some_routes(world):
    """Another one has a pattern that it does not match."""
    world.sources[FOLDER]["routes"].append("other")
    for line, event in enumerate(map(json.loads, world.lines)):
        if event.get("of") == FOLDER:
            world.lines[line] = json.dumps({**event, "routes": ["look"]})
    assert kinds(world) == []


def test_what_no_route_takes(world):
    world.client("w", event="beside", of=FOLDER, name="half.part")
    world.sources[FOLDER]["there"]["half.part"] = {"size": 1,
                                                   "sha256": sha("8")}
    assert kinds(world) == []
    world.find(FOLDER, "half.part", "8")
    assert kinds(world) == ["stray"]


@pytest.mark.parametrize("source, letter", [(FOLDER, "3"),
                                            (PULLS["keep"], "2")])
def test_found_twice(world, source, letter):
    name = "b" if source == FOLDER else "keep"
    world.find(source, name, letter)
    assert kinds(world) == ["duplicated"]
    # of the same bytes once more: another version
    world.place(source, name, letter)
    assert kinds(world) == []


def test_one_found_twice_hides_no_other(world):
    world.find(FOLDER, "c", "6")
    drop(world, f"{FOLDER}/c", "7")
    world.partner["c"]["sha256"] = sha("6")
    assert kinds(world) == ["duplicated", "unfound"]


def test_half_of_it_was_found(world):
    world.find(FOLDER, "b", "9")
    world.partner["b"]["sha256"] = sha("3")
    assert kinds(world) == ["corrupt"]


def test_other_bytes_go_out_than_were_found(world):
    delivery = delivery_of(world, found(world, f"{FOLDER}/b"))
    delivery["sha256"] = world.partner["b"]["sha256"] = sha("9")
    assert kinds(world) == ["corrupt"]


def test_other_bytes_are_there(world):
    world.partner["b"]["sha256"] = sha("9")
    assert kinds(world) == ["corrupt"]


def test_a_sum_that_its_delivery_makes(world):
    found(world, f"{FOLDER}/b")["sha256"] = None
    assert "unfound" not in kinds(world)


def test_what_was_never_there(world):
    world.find(FOLDER, "stranger", "8")
    assert kinds(world) == ["stray"]


def test_came_twice(world):
    world.arrivals["b"] += 1
    assert kinds(world) == ["duplicated"]


def test_not_delivered(world):
    row = found(world, f"{FOLDER}/b")
    delivery_of(world, row)["state"] = "WAITING"
    del world.partner["b"], world.arrivals["b"]
    assert kinds(world) == ["undelivered"]
    world.deliveries.remove(delivery_of(world, row))
    assert kinds(world) == ["undelivered", "unfound"]


def test_two_deliveries(world):
    row = found(world, f"{FOLDER}/b")
    world.deliveries.append({**delivery_of(world, row), "id": "d99"})
    assert "duplicated" in kinds(world)


def test_not_in_the_folder_any_more(world):
    del world.sources[FOLDER]["there"]["b"]
    assert kinds(world) == ["lost"]
    world.client("w", event="take", of=FOLDER, name="b")
    assert kinds(world) == []


def test_what_its_writer_took_may_have_been_missed(world):
    drop(world, f"{FOLDER}/b")
    del world.sources[FOLDER]["there"]["b"]
    world.client("w", event="take", of=FOLDER, name="b")
    assert kinds(world) == []


def test_changed_in_the_folder(world):
    world.sources[FOLDER]["there"]["b"]["sha256"] = sha("9")
    assert kinds(world) == ["corrupt"]


@pytest.mark.parametrize("source", [FOLDER, *PULLS.values()])
def test_left_behind(world, source):
    world.sources[source]["there"][".mft-x"] = {"size": 1, "sha256": sha("2")}
    assert kinds(world) == ["stray"]


def test_kept_is_kept(world):
    del world.sources[PULLS["keep"]]["there"]["keep"]
    assert kinds(world) == ["lost"]


def again(world, fetched):
    """Another version, which is not fetched yet."""
    world.place(PULLS[fetched], "x", "8")
    assert kinds(world) == ["unfound"]


@pytest.mark.parametrize("fetched", ["delete", "move"])
def test_taken_away_unseen(world, fetched):
    again(world, fetched)
    del world.sources[PULLS[fetched]]["there"]["x"]
    assert kinds(world) == ["lost", "unfound"]


@pytest.mark.parametrize("state", ["WAITING", "IN_DOUBT", "FAILED"])
@pytest.mark.parametrize("fetched", ["delete", "move"])
def test_taken_away_before_it_is_delivered(world, fetched, state):
    row = found(world, f"{PULLS[fetched]}/{fetched}")
    delivery_of(world, row)["state"] = state
    assert "lost" in kinds(world)
    world.pulls[list(PULLS).index(fetched)]["state"] = "WANTED"
    assert "lost" in kinds(world)


def test_begun_before_it_is_delivered(world):
    """Nothing is gone yet."""
    row = found(world, "acme:delete/delete")
    world.sources[PULLS["delete"]]["there"]["delete"] = {
        "size": 1, "sha256": sha("2")}
    delivery_of(world, row)["state"] = "IN_DOUBT"
    world.pulls[1]["state"] = "BEGUN"
    assert kinds(world) == ["lost"]
    world.pulls[1]["state"] = "WANTED"
    assert kinds(world) == []


@pytest.mark.parametrize("fetched", ["delete", "move"])
def test_by_the_partners_own_log(world, fetched):
    """The catalog's word is not all: it went before it came."""
    gone, = (e for e in world.log if e["old"] == f"{fetched}/{fetched}")
    world.log.remove(gone)
    world.log.insert(0, gone)
    assert kinds(world) == ["lost"]


@pytest.mark.parametrize("fetched", ["delete", "move"])
def test_not_taken_away(world, fetched):
    world.sources[PULLS[fetched]]["there"][fetched] = {
        "size": 1, "sha256": sha("2")}
    assert kinds(world) == ["undisposed"]
    # one that its writer put there again is not fetched yet
    world.place(PULLS[fetched], fetched, "2")
    assert kinds(world) == []


def test_no_word_of_what_becomes_of_it(world):
    world.pulls.pop(0)
    assert kinds(world) == ["catalog"]


def test_moved_to_nowhere(world):
    taken = world.sources[PULLS["move"]]["taken"]
    taken["other"] = taken.pop("move")
    assert kinds(world) == ["lost", "stray"]
    taken["move.x1"] = taken.pop("other")
    assert kinds(world) == []
    taken["move.x1"]["sha256"] = sha("9")
    assert kinds(world) == ["lost", "stray"]


def test_moved_behind_another(world):
    world.place(PULLS["move"], "move", "8")
    world.find(PULLS["move"], "move", "8")
    assert kinds(world) == []
    taken = world.sources[PULLS["move"]]["taken"]
    del taken[max(taken)]
    assert kinds(world) == ["lost"]


def test_replaced_before_it_was_moved(world):
    """Then it is nowhere, and its wish is done."""
    world.place(PULLS["move"], "move", "8")
    world.find(PULLS["move"], "move", "8")
    del world.sources[PULLS["move"]]["taken"]["move"]
    assert kinds(world) == []


def test_from_before(world):
    """What was found before the history began is not judged."""
    world.before = {"found": [row["id"] for row in world.found], "partner": {
        "files": dict(world.partner), "arrivals": dict(world.arrivals),
        "log": list(world.log)}}
    assert kinds(world, "partner").count("unfound") == 6
    world.lines = [line for line in world.lines if '"w"' not in line]
    for source in world.sources.values():
        source["there"].clear()
        source.get("taken", {}).clear()
    world.before["since"] = {r["stream"]: r["seq"] for r in world.records}
    world.before["storage"] = dict(world.storage)
    world.lines.clear()
    assert kinds(world) == []
    world.place(FOLDER, "new", "8")
    assert kinds(world) == ["unfound"]
    world.find(FOLDER, "new", "8")
    assert kinds(world) == []


def test_the_partners_log():
    log = ('1 s[1]: rename old "in/.t" new "in/x"\n'
           '2 s[1]: remove name "from/x"\n'
           '3 s[2]: posix-rename old "from/y" new "taken/y"\n')
    assert observe.partner_log(log) == [
        {"old": "in/.t", "new": "in/x"}, {"old": "from/x"},
        {"old": "from/y", "new": "taken/y"}]
    assert observe.arrivals(log) == {"x": 1, "y": 1}
    assert observe.arrivals(log, "in") == {"x": 1}
    assert observe.arrivals(log.replace("in/", "/home/in/"), "in") == {"x": 1}
    assert observe.arrivals('rename old "t" new "\\344"') == {"\\xe4": 1}
