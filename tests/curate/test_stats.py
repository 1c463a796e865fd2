"""What a set holds and how two differ: exact where the truth is known, calibrated where chance decides."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import shapely

from curate.cli import app
from curate.errors import UsageError
from curate.flags.exposure import DETECTOR as EXPOSURE
from curate.flags.result import FilmFlags, Finding
from curate.flags.rotation import DETECTOR as ROTATION
from curate.flags.store import save_flags
from curate.ingest import ingest
from curate.manifest import Manifest
from curate.sample.annotation import Annotation
from curate.stats.circular import direction, quadrants, turn, upright
from curate.stats.compare import compare, differences
from curate.stats.films import FilmFacts, measure_labels
from curate.stats.page import page
from curate.stats.sets import FilmSet, both, everything, of_version
from curate.stats.summary import spread, summarise
from curate.stats.tables import beyond, difference_table, headline, notes, tables
from curate.steps import resplit
from curate.terminal import run
from tests.phantoms import BONES


def film(k: int, group: str | None = None, **about) -> FilmFacts:
    return FilmFacts(f"f{k}", group or f"g{k}", 1000, 1000, f"d{k}", **about)


def turned(name: str, degrees, films_each: int = 1, start: int = 0) -> FilmSet:
    films = [film(start + k, f"{name}{k // films_each}", fingers_deg=float(d)) for k, d in enumerate(degrees)]
    return FilmSet(name, (), films)


def aged(name: str, ages, groups=None, start: int = 0) -> FilmSet:
    groups = groups or [f"{name}{k}" for k in range(len(ages))]
    same = dict.fromkeys(("high", "ground", "white", "noise"), 1.0)
    films = [film(start + k, g, fingers_deg=0.0, exposure=same | {"middle": float(a)})
             for k, (a, g) in enumerate(zip(ages, groups, strict=True))]  # fmt: skip
    return FilmSet(name, (), films)


MIDDLE = "middle grey value of the body"


def line(a: FilmSet, b: FilmSet, what: str = MIDDLE, **asked) -> dict:
    return next(d for d in differences(a, b, **asked) if d["what"] == what)


def test_areas_and_overlaps_are_those_of_the_polygons():
    ring = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    boxes = shapely.box([5, 30, 15], [0, 30, 0], [15, 32, 20], [10, 32, 5])
    shapes = [("b", ring), *zip("aac", boxes, strict=True)]
    told = measure_labels([Annotation(n, g, str(k)) for k, (n, g) in enumerate(shapes)], ("a", "b", "c"))
    assert told["areas"] == {"b": 96.0, "a": 104.0, "c": 25.0}
    assert told["overlaps"] == {("a", "b"): 50.0 - 2.0}  # what only touches does not overlap
    assert (told["fingers_deg"], told["by_labels"]) == (None, False)
    first = film(0, labelled=True, areas=told["areas"], overlaps=told["overlaps"])
    s = summarise(FilmSet("x", ("a", "b", "c"), [first, film(1, labelled=True, areas={"a": 8.0})]))
    (pair,) = s["overlaps"]
    assert (pair["a"], pair["b"], pair["both"], pair["films"], pair["share"]) == ("a", "b", 1, 1, 0.5)
    assert [c["missing"] for c in s["classes"]] == [0, 1, 1]
    assert s["missing"] == {"complete": 1, "films": {"f1": ["b", "c"]}, "by_count": {"0": 1, "2": 1}}
    assert s["classes"][0]["share"]["median"] == pytest.approx((0.104 + 0.008) / 2)


def test_directions_know_that_359_is_next_to_1():
    mean, length = direction([350, 10])
    assert (turn(mean), length) == pytest.approx((0, np.cos(np.radians(10))), abs=1e-9)
    assert direction([]) == (None, None)
    assert direction([0, 180])[1] == pytest.approx(0)
    assert quadrants([0, 44.9, 45, 134, 180, 225, 315, 359]) == {"up": 4, "right": 2, "down": 1, "left": 1}
    assert upright([335, 25, 26, 180]) == 0.5


def test_distance_and_medians_are_those_of_scipy_and_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(100, 10, 41), rng.normal(106, 15, 33).round()
    told = line(aged("a", a), aged("b", b, start=100), rounds=200)
    assert told["distance"] == pytest.approx(scipy.stats.ks_2samp(a, b).statistic, abs=1e-4)
    assert (told["a"], told["b"]) == pytest.approx((np.median(a), np.median(b)), abs=1e-3)
    assert told["distance_ci"][0] < told["distance"] <= told["distance_ci"][1]
    assert told["shift_ci"][0] < told["shift"] < told["shift_ci"][1]
    assert differences(aged("a", a), aged("b", b, start=100), rounds=200) == [told]


def test_kuiper_does_not_hang_on_where_the_circle_is_cut():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 20, 40), rng.normal(30, 20, 40)
    first = [
        line(turned("a", (a + cut) % 360), turned("b", (b + cut) % 360, start=99), "fingers point to", rounds=50)
        for cut in (0, 77, 180, 359)
    ]
    assert len({d["distance"] for d in first}) == 1
    assert all(d["shift"] == pytest.approx(first[0]["shift"], abs=0.01) for d in first)
    assert first[0]["shift"] == pytest.approx(float(np.mean(b) - np.mean(a)), abs=2)
    far = line(turned("a", [0] * 10 + [5]), turned("b", [180] * 10, start=99), "fingers point to", rounds=50)
    assert (far["distance"], abs(far["shift"]) > 170) == (1.0, True)
    assert beyond(far)


def test_two_films_of_a_patient_are_no_two_witnesses():
    rng = np.random.default_rng(2)
    ages = rng.normal(50, 10, 30)
    once = line(aged("a", ages), aged("b", ages + 5, start=100))
    twice = line(
        aged("a", ages.repeat(3), [f"a{k // 3}" for k in range(90)]),
        aged("b", (ages + 5).repeat(3), [f"b{k // 3}" for k in range(90)], start=100),
    )
    assert (twice["patients_a"], twice["n_a"]) == (30, 90)
    for ends in ("distance_ci", "shift_ci"):
        assert twice[ends] == pytest.approx(once[ends], abs=1.5 if ends == "shift_ci" else 0.1)
    assert twice["chance"] == pytest.approx(once["chance"], abs=0.05)


def test_where_nothing_differs_one_in_twenty_is_beyond_chance():
    rng = np.random.default_rng(3)
    found = 0
    for k in range(100):
        who = rng.normal(50, 10, 24)
        values = who.repeat(2) + rng.normal(0, 3, 48)
        groups = [f"p{i // 2}" for i in range(48)]
        a, b = aged("a", values[:20], groups[:20]), aged("b", values[20:], groups[20:], start=99)
        found += beyond(line(a, b, rounds=100, seed=k))
    assert 1 <= found <= 13  # 5 expected; 99% range of the binomial


def test_the_same_films_in_both_sets_have_no_chance_level():
    a = aged("a", range(20))
    b = FilmSet("b", (), a.films[:12])
    told = compare(a, b, rounds=100)
    assert told["shared"] == 12
    assert told["differences"][0]["chance"] is None
    assert any("in both sets" in note for note in notes(told))


def test_little_is_said_of_little():
    assert differences(aged("a", [1, 2]), aged("b", range(9), start=50)) == []  # two patients are no set
    assert spread([]) == {"n": 0, **dict.fromkeys(("mean", "p5", "p25", "median", "p75", "p95"))}
    empty = summarise(FilmSet("nothing", ("a",), []))
    assert "unknown" in dict(next(rows for title, _, rows in tables(empty) if title == "Hands"))["fingers"]
    assert "svg" not in page(empty, [FilmSet("nothing", ("a",), [])])


def keep(version, degrees: float = 90.0) -> None:
    """Stored answers of the two detectors, so that no network is asked."""
    measure = {"low": 9.0, "middle": 50.0, "high": 90.0, "white": 0.0, "black": 0.0, "ground": 3.0, "noise": 1.0}
    found = {"score": 0.5, "why": "", "where": None, "measures": {"fingers_deg": degrees}}
    kept = {EXPOSURE.key: {"version": EXPOSURE.version, "found": measure},
            ROTATION.key: {"version": ROTATION.version, "found": found}}  # fmt: skip
    save_flags(version.root, [
        FilmFlags(r.id, r.image, f"{r.digest} {r.file} {r.label_file}", [], {}, kept) for r in version.samples
    ])  # fmt: skip


@pytest.fixture
def mixed(tiny):
    """Six labelled training films and six unlabelled ones delivered as test; one bone missing on one film."""
    train, test = tiny / "train", tiny / "test"
    train.mkdir()
    shutil.move(tiny / "DCM", train / "DCM")
    shutil.move(tiny / "outputs_json", train / "outputs_json")
    for folder in sorted((train / "DCM").iterdir())[3:]:
        shutil.move(folder, test / "DCM" / folder.name)
        shutil.rmtree(train / "outputs_json" / folder.name)
    path = next((train / "outputs_json" / "ID001").iterdir())
    document = json.loads(path.read_text())
    document["annotations"] = [a for a in document["annotations"] if a["label"] != "Ulna"]
    path.write_text(json.dumps(document))
    return ingest(tiny, classes=tuple(BONES)).version


def test_training_against_test_films_without_labels(mixed, capsys):
    keep(mixed)
    a, b = both(mixed, "test")
    assert (len(a.films), len(b.films), b.asked_network) == (6, 6, 0)
    assert {f.fingers_deg for f in b.films} == {90.0}  # stored, by the picture
    assert all(f.by_labels for f in a.films)
    assert {f.exposure["middle"] for f in (*a.films, *b.films)} == {50.0}
    told = summarise(a)
    assert (told["missing"]["complete"], told["missing"]["by_count"]) == (5, {"0": 5, "1": 1})
    assert told["patients"] == 3
    assert sum(v for k, v in told["pairs"].items() if k != "more than two films") == 3
    assert run(app, ["stats", "v1", "--against", "test", "--data", str(mixed.root)]) == 0
    said = capsys.readouterr().out
    assert "v1 training: 6 films of 3 patients, 6 labelled" in said
    assert "v1 test: no labels" in said


def test_stored_answers_count_only_for_the_same_bytes(mixed):
    keep(mixed)
    flags = mixed.root / "data_manifest" / "flags.jsonl"
    flags.write_text(flags.read_text().replace('"digest":"sha256:', '"digest":"sha256:0'))
    a = of_version(mixed, [r for r in mixed.samples if r.labelled][:2], "two")
    assert all(f.exposure["middle"] != 50.0 for f in a.films)


def test_versions_folders_and_other_manifests(mixed, tmp_path, capsys, monkeypatch):
    looking = replace(ROTATION, look=lambda film: Finding(0.1, "", None, {"fingers_deg": 10.0}))
    monkeypatch.setattr("curate.stats.sets.TURNED", looking)  # the network takes its time and has tests of its own
    keep(mixed)
    resplit(Manifest.open(mixed.root), 2, seed=5)
    mixed = Manifest.open(mixed.root).version("v1")
    a, b = both(mixed, "v2")
    assert [f.id for f in a.films] == [f.id for f in b.films]
    other = tmp_path / "other"
    shutil.copytree(mixed.root, other)
    _, again = both(mixed, f"{other}:v1")
    assert {f.group for f in again.films} == {f.group for f in a.films}  # a copy: the same people
    for place in (other, f"{other}:v2"):
        assert len(both(mixed, str(place))[1].films) == 12
    loose = tmp_path / "loose"
    loose.mkdir()
    for k, path in enumerate(sorted((mixed.root / "test" / "DCM").rglob("*.png"))[:3]):
        shutil.copy(path, loose / f"{k} <b>.png")
    (loose / "broken.png").write_bytes(b"no picture")
    done = run(app, ["stats", "--against", str(loose), "--data", str(mixed.root), "--json"])
    out, error = capsys.readouterr()
    told = json.loads(out)
    assert done == 2  # one file could not be read, and is named
    assert "broken.png" in error
    assert (told["b"]["n"], told["b"]["patients"], told["b"]["labelled"]) == (3, None, 0)
    assert (told["b"]["orientation"]["by_picture"], told["b"]["orientation"]["mean_deg"]) == (3, 10.0)
    assert {"what", "kind", "a", "b", "distance", "distance_ci", "chance", "shift", "shift_ci"} <= set(
        told["differences"][0]
    )
    with pytest.raises(UsageError, match="neither test, a version here"):
        both(mixed, "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="holds no picture"):
        both(mixed, str(empty))


def test_no_test_films_is_said(version):
    with pytest.raises(UsageError, match="has no test films; deliver them"):
        both(version, "test")


def test_labels_that_cannot_be_read_are_told_and_the_rest_goes_on(version):
    keep(version)
    (version.root / version.samples[3].labels).write_text("{")
    found = of_version(version, *everything(version))
    told = summarise(found)
    assert (told["n"], told["labelled"], len(told["faults"])) == (12, 11, 1)
    assert "1 could not be read" in headline(told)


def test_the_page_shows_plots_and_escapes_text(browser, mixed, tmp_path):
    keep(mixed)
    a, b = both(mixed, "test")
    a.name, b.name = "<b>one</b>", "two & \"three\""
    a.faults.append("<script>alert(1)</script>")
    told = compare(a, b, rounds=50)
    assert "* " in str(difference_table(told)[2])
    text = page(told, (a, b))
    assert not re.search(r"<script|<b>one|https?://", text)
    (tmp_path / "page.html").write_text(text)
    browser.look(1000, 800)
    browser.open(f"file://{tmp_path / 'page.html'}")
    browser.wait("document.title.startsWith('<b>one</b> against')")
    shown = browser.run("[...document.querySelectorAll('svg')].map(s => s.getAttribute('aria-label'))")
    assert {"How far the sets are apart", "Where the fingers point", "Area of each bone"} <= set(shown)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("document.querySelectorAll('.sector.a, .sector.b').length") == 2
    assert browser.errors == []
