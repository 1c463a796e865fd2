"""Differences, lineage, names, corrections, joining, clearing up: everything that is done with versions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest
from shapely.geometry import box

from augment.make import make_version
from augment.plan.mosaic import Mosaic
from augment.rebuild import rebuild
from curate.cli import app
from curate.diff import diff_versions
from curate.diff.page import diff_page
from curate.diff.polygons import changes
from curate.edit import edit
from curate.errors import LabelError, LockedError, UsageError
from curate.films import Source
from curate.flags.result import FilmFlags, Flag
from curate.flags.store import save_flags
from curate.gc import collect
from curate.ingest import add, ingest
from curate.leaks import twins_apart
from curate.log import history, sample_log, tree_lines
from curate.manifest import Manifest
from curate.manifest.commit import writing
from curate.manifest.lineage import check_leaks
from curate.manifest.splits import extend_split, make_split
from curate.merge import merge
from curate.notes import note, tag
from curate.sample.annotation import Annotation
from curate.sample.read import SampleReader
from curate.steps import drop, resplit
from curate.terminal import run
from curate.verify import verify_manifest
from tests.faults.small import write_films

FILM = "ID002/image2"


@pytest.fixture
def v1(tmp_path):
    return ingest(write_films(tmp_path / "data"), folds=2).version


def reopened(version):
    return Manifest.open(version.manifest.path)


def intact(version):
    found = verify_manifest(reopened(version))
    assert (found.problems, found.orphans) == ([], [])


def mosaics(version, n=4, **options):
    return make_version(reopened(version), Mosaic(), n, source=version.name, **options).version


def square(label, x, y, edge, name):
    return Annotation(label, box(x, y, x + edge, y + edge), name)


def test_annotations_are_paired_and_measured():
    before = [square("a", 0, 0, 10, "1"), square("b", 20, 0, 10, "2"), square("c", 40, 0, 10, "3")]
    after = [square("a", 2, 0, 10, "1"), square("B", 20, 0, 10, "2"), square("d", 60, 0, 10, "9")]
    told = {(c.kind, c.label): c for c in changes("s", before, after)}
    assert told.keys() == {("moved", "a"), ("renamed", "B"), ("removed", "c"), ("added", "d")}
    assert told["moved", "a"].iou == pytest.approx(80 / 120)
    assert told["moved", "a"].hausdorff == pytest.approx(2)
    assert (told["renamed", "B"].was, told["renamed", "B"].iou) == ("b", 1.0)
    assert changes("s", before, list(reversed(before))) == []


def test_two_annotations_of_a_class_are_not_taken_for_each_other():
    before = [square("a", 0, 0, 10, "1"), square("a", 30, 0, 10, "2")]
    after = [square("a", 31, 0, 10, "x"), square("a", 0, 1, 10, "y")]
    assert sorted(round(c.iou, 3) for c in changes("s", before, after)) == [round(90 / 110, 3)] * 2


def test_edit_makes_a_version_and_leaves_the_file(v1, tmp_path):
    old = (v1.root / v1.row(FILM).labels).read_bytes()
    children = mosaics(v1)
    hit = [r.id for r in children.samples if FILM in r.parents]
    step = edit(reopened(v1), FILM, "Ulna", label="Radius")
    assert (v1.root / v1.row(FILM).labels).read_bytes() == old
    assert step.version.step["children"] == len(hit)
    assert not set(hit) & step.version.by_id.keys()
    intact(step.version)
    found = diff_versions(v1, step.version)
    assert [(c.id, c.kind, c.was, c.label, c.iou) for c in found.changed] == [(FILM, "renamed", "Ulna", "Radius", 1.0)]
    assert (found.base, found.removed) == ("v1", [])
    assert edit(reopened(v1), FILM, "Ulna", label="Radius").existed
    shifted = [[x + 1, y] for x, y in [[60, 10], [66, 10], [66, 20], [60, 20]]]
    drawn = edit(reopened(v1), FILM, "Lunate", points=shifted).version
    shape = next(a for a in SampleReader(drawn).annotations(FILM) if a.label == "Lunate")
    assert [list(p) for p in shape.geometry.exterior.coords[:-1]] == shifted
    gone = edit(reopened(v1), FILM, "Lunate", remove=True).version
    assert "Lunate" not in {a.label for a in SampleReader(gone).annotations(FILM)}
    assert [c.kind for c in diff_versions(drawn, gone).changed] == ["removed"]
    intact(gone)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"label": "Tibia"}, "is none of"),
        ({}, "takes one of"),
        ({"label": "Ulna", "remove": True}, "takes one of"),
        ({"points": [[0, 0], [1, 1]]}, "fewer than 3"),
        ({"points": [[900, 900], [950, 900], [950, 950]]}, "outside the picture"),
        ({"points": [[0, "x"], [1, 1], [5, 5]]}, "not pairs of numbers"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_whole(v1, change, fault):
    with pytest.raises((UsageError, LabelError), match=fault):
        edit(reopened(v1), FILM, "Ulna", **change)
    with pytest.raises(UsageError, match="there are: 2-Radius"):
        edit(reopened(v1), FILM, "Capitate", remove=True)
    assert list(reopened(v1).head["versions"]) == ["v1"]
    intact(v1)


def test_diff_of_steps_tags_and_folds(v1):
    dropped = drop(reopened(v1), samples=[FILM]).version
    found = diff_versions(v1, dropped)
    assert found.rows == {FILM: {"tags": [[], ["evaluation-only"]]}}
    assert [s["name"] for s in found.steps["v2"]] == ["drop"]
    split = resplit(reopened(v1), 4, seed=3, source="v1").version
    moved = diff_versions(dropped, split)
    assert moved.base == "v1"
    assert moved.moved_groups
    assert {f for row in moved.rows.values() for f in row} == {"fold", "tags"}
    assert diff_versions(v1, v1).same
    children = mosaics(v1)
    assert diff_versions(v1, children).added == [r.id for r in children.samples if not r.is_original]
    assert orjson.loads(orjson.dumps(diff_versions(split, children).to_dict()))["same"] is False


def test_the_page_shows_before_and_after_and_escapes(v1, tmp_path):
    after = edit(reopened(v1), FILM, "Ulna", points=[[30, 20], [50, 20], [50, 40], [30, 40]]).version
    page = diff_page(diff_versions(v1, after), v1, after)
    assert page.count("<img") == 2
    assert "IoU" in page
    mosaic = mosaics(after)
    assert diff_page(diff_versions(after, mosaic), after, mosaic).count("<img") == 4
    hostile = diff_versions(v1, after)
    hostile.rows = {"<script>alert(1)</script>": {"tags": [[], ["<b>"]]}}
    assert "<script>" not in diff_page(hostile, v1, after)


def test_lineage_down_to_the_vertices(v1):
    whole = mosaics(v1)
    deep = make_version(reopened(v1), Mosaic(fit="cropped"), 6, seed=4).version
    cut = 0
    for row in deep.samples:
        if row.is_original:
            continue
        node = sample_log(deep, row.id)
        assert [p["id"] for p in node["parents"]] == [p["parent"] for p in row.recipe["placements"]]
        for a in node["annotations"]:
            assert a["kept"] + a["cut"] == a["vertices"]
            assert a["source"].split("#")[0] in row.parents
            cut += a["cut"]
        below = {f"{p['id']}#{a['id']}" for p in node["parents"] for a in p["annotations"]}
        assert {a["source"] for a in node["annotations"]} == below
    assert cut > 0
    child = next(r.id for r in whole.samples if not r.is_original)
    node = sample_log(whole, child)
    assert all(a["cut"] == 0 for a in node["annotations"])
    lines = tree_lines(node)
    assert lines[0].startswith(child)
    assert any("as drawn" in line for line in lines)
    with pytest.raises(UsageError, match="is no sample"):
        sample_log(whole, "nobody")


def test_tags_and_notes(v1):
    tag(reopened(v1), "baseline")
    note(reopened(v1), "baseline", "as it came\nfrom the scanner")
    second = drop(reopened(v1), samples=[FILM]).version
    assert reopened(v1).version("baseline").name == "v1"
    lines = history(reopened(v1))
    assert [(x["version"], x["tags"], x["note"]) for x in lines] == [
        ("v2", [], None), ("v1", ["baseline"], "as it came\nfrom the scanner")]  # fmt: skip
    assert [x["version"] for x in history(reopened(v1), tagged=True)] == ["v1"]
    assert reopened(v1).version("v1").digest == v1.digest
    intact(second)
    with pytest.raises(UsageError, match="is a tag of v1 already"):
        tag(reopened(v1), "baseline", "v2")
    for name in ("v1", "a b", "../x", ""):
        with pytest.raises(UsageError, match="cannot be a tag"):
            tag(reopened(v1), name)
    tag(reopened(v1), "baseline", remove=True)
    note(reopened(v1), "v1", "")
    assert not {"tags", "notes"} & reopened(v1).head.keys()


def copied(version, folder: Path) -> Manifest:
    return Manifest.open(shutil.copytree(version.root, folder))


def test_an_outline_stands_in_the_label_file_not_in_the_head(v1):
    turn = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    ring = np.stack([20 + 10 * np.cos(turn), 20 + 10 * np.sin(turn)], 1).tolist()
    first = edit(reopened(v1), FILM, "Ulna", points=ring)
    assert first.version.step["points"] == 500
    assert len(v1.manifest.path.read_bytes()) < 4000
    assert edit(reopened(v1), FILM, "Ulna", points=ring).existed
    intact(first.version)


@pytest.mark.parametrize("points", [5, [1, 2], "abc", {"x": 1}, [[1, 2], [3, None], [4, 5]], [[0, 0], [1, 1]], []])
def test_what_is_no_outline_is_one_line(v1, points):
    with pytest.raises(LabelError, match="--points: "):
        edit(reopened(v1), FILM, "Ulna", points=points)


def test_two_people_s_versions_are_joined(v1, tmp_path):
    theirs = copied(v1, tmp_path / "theirs")
    mine = drop(reopened(v1), samples=[FILM]).version
    drop(theirs, samples=["ID003/image3"])
    make_version(Manifest.open(theirs.path), Mosaic(), 4, seed=9)
    other = Manifest.open(theirs.path)
    joined = merge(reopened(v1), other)
    version = joined.version
    assert (joined.existed, joined.taken) == (False, {"v2": "v2-theirs", "v3": "v3"})
    assert {r.id for r in version.samples if "evaluation-only" in r.tags} == {FILM, "ID003/image3"}
    kept = {r.id for r in other.version("v3").samples if not r.is_original and FILM not in r.parents}
    assert {r.id for r in version.samples if not r.is_original} == kept
    check_leaks(version)
    intact(version)
    for again in (merge(reopened(v1), "v3", "v2"), merge(reopened(v1), other), merge(reopened(v1), "v3")):
        assert (again.version.name, again.existed, again.taken) == (version.name, True, {})
    assert reopened(v1).version(mine.name).digest == mine.digest


def test_clashes_are_named(v1, tmp_path):
    theirs = copied(v1, tmp_path / "theirs")
    edit(reopened(v1), FILM, "Ulna", label="Radius")
    edit(theirs, FILM, "Lunate", remove=True)
    for again in range(2):  # refused: nothing is taken over
        with pytest.raises(UsageError, match=f"differently: {FILM}"):
            merge(reopened(v1), Manifest.open(theirs.path))
        assert list(reopened(v1).head["versions"]) == ["v1", "v2"], again
    theirs_kept = merge(reopened(v1), Manifest.open(theirs.path), prefer="theirs").version
    assert {a.label for a in SampleReader(theirs_kept).annotations(FILM)} == {"Radius", "Ulna"}
    assert theirs_kept.row(FILM).labels == f"data_manifest/labels/v2-theirs/{FILM}.json"  # both wrote one for v2
    assert {a.label for a in SampleReader(reopened(v1).version("v2")).annotations(FILM)} == {"Radius", "Lunate"}
    intact(theirs_kept)
    assert verify_manifest(reopened(v1)).problems == []


def test_what_was_joined_once_is_not_joined_again(v1, tmp_path):
    theirs = copied(v1, tmp_path / "theirs")
    drop(reopened(v1), samples=[FILM])
    drop(theirs, samples=["ID003/image3"], name="t2")
    first = merge(reopened(v1), Manifest.open(theirs.path)).version
    drop(Manifest.open(theirs.path), samples=["ID004/image4"], name="t3")
    joined = merge(reopened(v1), Manifest.open(theirs.path))
    assert (joined.version.parent, joined.version.step["base"], joined.theirs) == (first.name, "t2", 1)
    assert sum("evaluation-only" in r.tags for r in joined.version.samples) == 3
    intact(joined.version)


def test_versions_made_on_top_of_ours_are_only_taken_over(v1, tmp_path):
    theirs = copied(v1, tmp_path / "theirs")
    drop(theirs, samples=[FILM])
    joined = merge(reopened(v1), Manifest.open(theirs.path))
    assert (joined.existed, joined.version.name, list(reopened(v1).head["versions"])) == (True, "v2", ["v1", "v2"])
    intact(joined.version)


def test_other_data_sets_are_not_joined(v1, tmp_path):
    stranger = ingest(write_films(tmp_path / "stranger", films=6, seed=8), folds=2).version
    with pytest.raises(UsageError, match="not a copy"):
        merge(reopened(v1), stranger.manifest)


def test_gc_lists_first_and_keeps_what_can_resume(v1):
    version = mosaics(v1)
    stray = v1.root / "derived/v9/mosaic/stray.png"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"12345")
    journal = v1.root / "data_manifest/.pending/v9-abc.jsonl"
    journal.parent.mkdir()
    journal.write_bytes(b"{}\n")
    assert collect(reopened(v1)).files == []
    (v1.root / "derived/v2/old.png").write_bytes(b"123")
    assert collect(reopened(v1)).files == [("derived/v2/old.png", 3)]
    assert (v1.root / "derived/v2/old.png").exists()
    done = collect(reopened(v1), remove=True, pending_too=True)
    assert [p for p, _ in done.files] == ["derived/v2/old.png", "derived/v9/mosaic/stray.png",
                                          "data_manifest/.pending/v9-abc.jsonl"]  # fmt: skip
    assert not stray.parent.exists()
    intact(version)


def test_films_that_come_later_move_nobody(v1):
    before = dict(v1.fold_of)
    children = mosaics(v1)
    root = v1.root
    for k in (20, 21, 22):
        for kind, suffix in (("DCM", "png"), ("outputs_json", "json")):
            there = root / f"train/{kind}/ID{k:03d}/new{k}.{suffix}"
            there.parent.mkdir(parents=True)
            shutil.copyfile(root / f"train/{kind}/ID001/image1.{suffix}", there)
    with pytest.raises(UsageError, match="need a --format"):
        add(reopened(v1), Source(root, group_by="x"))
    done = add(reopened(v1), Source(root))
    assert done.version.step["films"] == 3
    assert {g: f for g, f in done.version.fold_of.items() if g in before} == before
    assert reopened(v1).head["splits"]["s2"]["extends"] == "s1"
    assert children.by_id.keys() < done.version.by_id.keys()
    check_leaks(done.version)
    intact(done.version)
    with pytest.raises(UsageError, match="no film that v3 does not know"):
        add(reopened(v1), Source(root))


def test_an_extended_split_stays_balanced():
    rng = np.random.default_rng(1)
    strata = {f"P{k}": (int(rng.integers(3)),) for k in range(120)}
    first = dict(list(strata.items())[:60])
    before = make_split(first, 5, 0.1, seed=2)
    after = extend_split(before, strata, 5, seed=2)
    assert {g: after[g] for g in before} == before
    sizes = np.bincount([f for f in after.values() if f >= 0], minlength=5)
    assert sizes.max() - sizes.min() <= 3
    assert after == extend_split(before, dict(reversed(list(strata.items()))), 5, seed=2)


def test_twins_on_two_sides_are_told(v1, tmp_path):
    folds = v1.fold_of
    a = next(r for r in v1.samples if folds[r.group] == 0)
    b = next(r for r in v1.samples if folds[r.group] == 1)
    assert twins_apart(v1) == []
    flag = Flag("near-duplicate", 0.98, 0.5, None, "A copy of another film.")
    save_flags(v1.root, [FilmFlags(b.id, b.image, b.digest, [flag], {"near_duplicate_of": a.image}, {})])
    assert [(t.a, t.b, t.folds) for t in twins_apart(v1)] == [(a.id, b.id, ("0", "1"))]
    root = tmp_path / "same"
    write_films(root)
    shutil.copyfile(root / "train/DCM/ID000/image0.png", root / "train/DCM/ID001/image1.png")
    same = ingest(root, folds=8).version
    assert [t.why for t in twins_apart(same)] == ["the same pixels"]
    assert verify_manifest(same.manifest).problems == []


def test_films_that_come_with_another_patients_pixels_are_named_and_taken(tmp_path, capsys):
    root = tmp_path / "data"
    write_films(root)
    assert ingest(root, folds=2).twins == ()
    films = root / "train/DCM"
    for patient, name in (("ID 90", "a film"), ("ID91", "twin"), ("ID000", "again")):
        (films / patient).mkdir(exist_ok=True)
        shutil.copyfile(films / "ID000/image0.png", films / patient / f"{name}.png")
    assert run(app, ["add", "--data", str(root)]) == 0
    said = capsys.readouterr().err
    for patient in ("ID 90/a film", "ID91/twin"):
        assert f"note: {patient} and ID000/image0 hold the same pixels under two patients" in said
    assert said.count("hold the same pixels") == 2  # the patient's own film twice is no leak
    assert "curate drop --flag duplicate --also-evaluation" in said


def test_the_lock_says_who_and_the_way_out(v1):
    with writing(v1.root), pytest.raises(LockedError, match=r"process \d+ on .*since .*wait for it or stop it"):
        tag(v1.manifest, "x")


def test_a_rebuild_names_what_was_missing_and_what_was_damaged(v1):
    version = mosaics(v1)
    gone, damaged, *_ = [r for r in version.samples if not r.is_original]
    (v1.root / gone.image).unlink()
    (v1.root / damaged.labels).write_bytes(b"{}")
    done = rebuild(version)
    assert (done.present, done.missing, done.damaged, done.bytes_differ) == (2, [gone.id], [damaged.id], [])
    intact(version)
