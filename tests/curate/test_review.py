"""Decisions on flags: on disk as they are made, never lost, about one answer only, and used by what follows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import orjson
import pytest

from augment.select import Selection, select_parents
from curate.cli import app
from curate.decisions import DECISIONS, Decision, load_decisions, now, record
from curate.errors import CarpusError, ManifestError, UsageError
from curate.flagged import flags_by_sample, tally, tally_line
from curate.leaks import twins_apart
from curate.manifest import EVALUATION_ONLY, Manifest
from curate.manifest.orphans import find_orphans
from curate.review.items import decide, refreshed, review_items
from curate.sample.read import SampleReader
from curate.steps import drop
from curate.terminal import run
from tests.flagging import put_flags


@pytest.fixture
def films(version):
    """Ids of the tiny films; five carry ``jewellery``, one of them ``rotation`` as well."""
    ids = [row.id for row in version.samples]
    put_flags(version, {"rotation": ids[4:5], "jewellery": ids[:5]})
    return ids


def word(**changes) -> Decision:
    about = {"id": "a", "digest": "d", "flag": "jewellery", "detector": 1, "outcome": "accepted", "by": "Kim"}
    return Decision(**(about | {"at": now()} | changes))


def test_the_last_word_holds_and_only_on_the_answer_it_was_said_of(tmp_path):
    assert load_decisions(tmp_path).on("a", "jewellery", "d", 1) == (None, None)
    first, second = word(), word(outcome="rejected", by="Lee")
    record(tmp_path, first)
    record(tmp_path, second)
    found = load_decisions(tmp_path)
    assert found.on("a", "jewellery", "d", 1) == (second, None)
    assert found.on("a", "jewellery", "d", 2) == (None, second)  # the detector has changed since
    assert found.on("a", "jewellery", "other", 1) == (None, second)  # the film has
    assert found.on("a", "rotation", "d", 1) == (None, None)
    record(tmp_path, word(outcome="undecided"))
    assert load_decisions(tmp_path).on("a", "jewellery", "d", 1) == (None, None)
    assert len((tmp_path / DECISIONS).read_bytes().splitlines()) == 3  # nothing is rewritten


def test_a_torn_last_line_is_no_decision_and_goes_with_the_next(tmp_path):
    record(tmp_path, word())
    path = tmp_path / DECISIONS
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert len(load_decisions(tmp_path)) == 1
    record(tmp_path, word(id="b"))
    assert [orjson.loads(line)["id"] for line in path.read_bytes().splitlines()] == ["a", "b"]
    path.write_bytes(whole + b'{"id": 3}\n' + whole)
    with pytest.raises(ManifestError, match="line 2 is damaged"):
        load_decisions(tmp_path)
    path.write_bytes(whole.replace(b"accepted", b"perhaps!"))
    with pytest.raises(ManifestError, match="line 1 is no decision"):
        load_decisions(tmp_path)


def test_a_disk_that_takes_half_a_line_takes_no_decision(tmp_path, monkeypatch):
    record(tmp_path, word())
    before = (tmp_path / DECISIONS).read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CarpusError, match="cannot be written: No space left"):
        record(tmp_path, word(id="b"))
    assert (tmp_path / DECISIONS).read_bytes() == before


def test_decisions_do_not_leave_the_folder(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "set" / "data_manifest").mkdir(parents=True)
    (tmp_path / "set" / "data_manifest" / "review").symlink_to(tmp_path / "outside")
    with pytest.raises(ManifestError, match="leaves the data set's folder"):
        record(tmp_path / "set", word())


def test_many_decide_at_once(tmp_path):
    def work(name: str) -> None:
        for k in range(15):
            record(tmp_path, word(id=f"{name}{k}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load_decisions(tmp_path)) == 45


def test_kill_keeps_every_decision_that_was_told(tmp_path):
    code = """
import sys
from pathlib import Path
from curate.decisions import Decision, now, record
for k in range(100000):
    record(Path(sys.argv[1]), Decision(str(k), "d", "jewellery", 1, "accepted", "Kim", now()))
    print(k, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) as child:
        told = [int(child.stdout.readline()) for _ in range(25)]
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout if line.strip()]
    found = load_decisions(tmp_path)
    assert all(found.on(str(k), "jewellery", "d", 1)[0] for k in told)
    assert len(told) <= len(found) <= len(told) + 1


def test_items_come_by_flag_and_score_and_decisions_stay_with_them(version, films):
    items = review_items(version)
    assert [(i.raised.flag.name, i.row.id) for i in items] == [
        *(("jewellery", film) for film in films[:5]),
        ("rotation", films[4]),
    ]
    done = decide(version, items[1], "rejected", "Kim")
    assert (done.raised.outcome, done.raised.decision.by) == ("rejected", "Kim")
    again = review_items(version, ["jewellery"])
    assert [i.raised.outcome for i in again] == ["undecided", "rejected", *["undecided"] * 3]
    decide(version, again[1], "undecided", "Kim")
    assert refreshed(again, load_decisions(version.root))[1].raised.outcome == "undecided"
    assert [i.row for i in review_items(version, ["ring"])] == [i.row for i in again]
    with pytest.raises(UsageError, match="earring: is no flag"):
        review_items(version, ["earring"])
    with pytest.raises(UsageError, match="has no flag of cast"):
        review_items(version, ["cast"])


def test_a_pair_knows_its_other_film(version):
    first, *_, last = version.samples
    put_flags(version, {"near-duplicate": [last.id]}, of=first.image)
    (item,) = review_items(version)
    assert item.partner == first.id
    assert [(t.a, t.b) for t in twins_apart(version)] == [(first.id, last.id)]
    decide(version, item, "rejected", "Kim")
    assert twins_apart(version) == []


def test_a_pair_whose_other_film_nobody_names_stands_alone(version, films):
    put_flags(version, {"near-duplicate": films[7:8]}, of="something/else.png")
    assert [i.partner for i in review_items(version, ["near-duplicate"])] == [None]


def test_a_decision_on_an_older_answer_is_stale(version, films):
    decide(version, review_items(version)[0], "accepted", "Kim")
    put_flags(version, {"jewellery": films[:5]}, detector=2)
    first = review_items(version)[0].raised
    assert (first.outcome, first.stale.by) == ("undecided", "Kim")
    assert tally(version, ["jewellery"]) == {"accepted": 0, "rejected": 0, "undecided": 5, "stale": 1}
    assert tally_line(tally(version, ["jewellery"]), ["jewellery"]) == (
        "5 flags (jewellery): 0 accepted, 0 rejected, 5 undecided, 1 of them decided on an older answer; "
        "`curate review` decides"
    )


def test_drop_follows_the_decisions(version, films):
    items = review_items(version, ["jewellery"])
    decide(version, items[0], "accepted", "Kim")
    decide(version, items[1], "rejected", "Kim")
    manifest = Manifest.open(version.root)

    def held(**asked):
        flags = flags_by_sample(version, asked.get("reviewed", False))
        step = drop(manifest, flags=flags, flag_names=["jewellery"], source="v1", **asked)
        return step, {row.id for row in step.version.samples if EVALUATION_ONLY in row.tags}

    assert held(reviewed=True)[1] == {films[0]}
    assert held(reviewed=True)[0].existed
    assert held()[1] == {films[0], *films[2:5]}  # all that nobody rejected
    decide(version, items[0], "rejected", "Lee")
    decide(version, items[2], "accepted", "Lee")
    other, gone = held(reviewed=True)
    assert (other.existed, gone) == (False, {films[2]})  # as many films, but others
    decide(version, items[2], "undecided", "Lee")
    with pytest.raises(UsageError, match="no sample to drop"):
        held(reviewed=True)
    assert find_orphans(Manifest.open(version.root)) == []


def test_tags_do_not_count_under_reviewed_and_the_selection_honours_rejections(version, films):
    items = review_items(version, ["jewellery"])
    for item in items[:2]:
        decide(version, item, "rejected", "Kim")
    reader = SampleReader(version)

    def chosen(**words):
        return {row.id for row in select_parents(version, Selection(**words), reader)}

    assert chosen(flags=("jewellery",)) == set(films[2:5])
    assert chosen(without_flags=("jewellery",)) == set(films) - set(films[2:5])
    tagged = drop(Manifest.open(version.root), samples=films[:1]).version
    with pytest.raises(UsageError, match="no sample to drop"):
        drop(
            Manifest.open(version.root), flags=flags_by_sample(tagged, True), flag_names=[EVALUATION_ONLY],
            source=tagged.name, also_evaluation=True, reviewed=True,
        )  # fmt: skip


def test_the_command_says_what_was_decided(version, films, capsys):
    for item, outcome in zip(review_items(version, ["jewellery"]), ("accepted", "rejected"), strict=False):
        decide(version, item, outcome, "Kim")
    at = ["--data", str(version.root)]
    assert run(app, ["drop", "--flag", "jewellery", "--reviewed", *at]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("5 flags (jewellery): 1 accepted, 1 rejected, 3 undecided; ")
    assert told[1].startswith("v2: 1 film of v1 dropped from training")
    assert run(app, ["drop", "--flag", "jewellery", "--from", "v1", "--json", *at]) == 0
    said = orjson.loads(capsys.readouterr().out)
    assert (said["dropped"], said["decisions"]["rejected"]) == (4, 1)
    assert run(app, ["drop", "--reviewed", "--sample", films[0], *at]) == 2
    assert "needs --flag" in capsys.readouterr().err
    assert run(app, ["show", "v1", "--json", *at]) == 0
    tags = [set(row["tags"]) for row in orjson.loads(capsys.readouterr().out)["samples"]]
    assert [("jewellery" in t) for t in tags] == [True, False, True, True, True, *[False] * 7]
