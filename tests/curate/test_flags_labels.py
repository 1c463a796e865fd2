"""Label detectors: planted errors are found and named, labels that are right raise nothing."""

from __future__ import annotations

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Polygon

from benchmarks.flags.plant import PLANTS
from benchmarks.flags.skeleton import labelled
from curate.errors import LabelError
from curate.flags import DETECTORS, Film, run_detectors
from curate.presets import HAND_BONES
from curate.sample.annotation import Annotation

LABEL_DETECTORS = [d.name for d in DETECTORS if d.name.startswith("label-")]


@pytest.fixture(scope="module")
def hands(real_data):
    """Frontal hands with their labels: name -> (file, annotations)."""
    folder = real_data / "hands29"
    found = labelled(folder)
    frontal = [k for k in found if "/image1" in k]
    return {k: (folder / "DCM" / f"{k}.png", found[k]) for k in frontal[:4]}


def judged(path, annotations, names=LABEL_DETECTORS, **more):
    film = Film("x", "x", path, annotations=lambda: annotations, classes=HAND_BONES, digest="fixed", **more)
    return run_detectors([film], names)[0]


def test_labels_that_are_right_raise_nothing(hands):
    for path, regions in hands.values():
        result = judged(path, regions)
        assert result.flagged == ()
        assert [f.name for f in result.flags] == LABEL_DETECTORS


@pytest.mark.parametrize("kind", PLANTS)
def test_planted_errors_raise_their_flag(hands, kind):
    name, plant = PLANTS[kind]
    rng = np.random.default_rng(5)
    sizes = {"outline too large or small": 2}
    found = []
    for path, regions in list(hands.values())[: sizes.get(kind, 3)]:
        found.append(judged(path, plant(regions, (2048, 2048), rng), [name]).flag(name).flagged)
    assert all(found), found


def test_what_is_wrong_is_named_and_outlined(hands):
    path, annotations = next(iter(hands.values()))
    names = {"finger-9": "finger-13", "finger-13": "finger-9"}
    swapped = [Annotation(names.get(a.label, a.label), a.geometry, a.id) for a in annotations]
    flag = judged(path, swapped).flag("label-swapped")
    assert "inger-9" in flag.why
    assert "inger-13" in flag.why
    both = [a.geometry.bounds for a in annotations if a.label in names]
    expected = (*np.min(both, 0)[:2], *np.max(both, 0)[2:])
    assert flag.where == pytest.approx(expected, abs=0.2)
    without = [a for a in annotations if a.label not in ("Pisiform", "finger-16")]
    assert judged(path, without).flag("label-missing").why == "Not labelled: finger-16, Pisiform."


def test_a_side_that_contradicts_the_labels_is_flagged(hands):
    path, annotations = hands[next(k for k in hands if k.startswith("ID003"))]
    assert not judged(path, annotations, ["label-side"], side="right").flag("label-side").flagged
    assert judged(path, annotations, ["label-side"], side="left").flag("label-side").flagged


def test_rotation_comes_from_the_labels_where_there_are_labels(hands):
    expected = {"ID001": (0, 15), "ID004": (180, 15), "ID005": (0, 15)}
    for name, (path, regions) in hands.items():
        result = judged(path, regions, ["rotation"])
        degrees = result.measures["fingers_deg"]
        if name[:5] in expected:
            want, tolerance = expected[name[:5]]
            assert abs((degrees - want + 180) % 360 - 180) < tolerance
        assert ("rotation" in result.flagged) == name.startswith("ID004")
        assert "labels" in result.flag("rotation").why


def test_labels_that_cannot_be_read_are_said_once(hands):
    path, _ = next(iter(hands.values()))

    def broken():
        raise LabelError("a.json", "is not JSON")

    result = run_detectors([Film("x", "x", path, annotations=broken, classes=HAND_BONES)], LABEL_DETECTORS)[0]
    assert result.flagged == ("label-missing",)
    assert "is not JSON" in result.flag("label-missing").why


def square(label: str, x: float, y: float, size: float = 40.0, **more) -> Annotation:
    return Annotation(
        label, Polygon([(x, y), (x + size, y), (x + size, y + size), (x, y + size)]), f"{label}{x}", **more
    )


def on_blank(annotations, names, classes=()):
    film = Film(
        "x",
        "x",
        None,
        annotations=lambda: annotations,
        classes=classes,
        pixels=lambda: np.zeros((400, 400), np.uint8),
        digest="d",
    )
    return run_detectors([film], names)[0]


def test_other_data_than_hands_is_judged_by_what_holds_for_all():
    lungs = [square("Left Lung", 10, 10, 100), square("Right Lung", 200, 10, 100), square("Consolidation", 20, 20)]
    result = on_blank([*lungs, square("Consolidation", 250, 50)], LABEL_DETECTORS)
    assert result.flagged == ()
    assert result.flag("label-swapped") is None
    again = on_blank([*lungs, square("Left Lung", 14, 12, 100)], ["label-duplicate"])
    assert again.flagged == ("label-duplicate",)


def test_slivers_and_crossing_rings_are_flagged():
    thin = Annotation("bone", Polygon([(0, 0), (300, 0), (300, 1), (0, 1)]), "1")
    assert on_blank([thin], ["label-geometry"]).flagged == ("label-geometry",)
    bow = np.array([(0, 0), (40, 40), (40, 0), (0, 40)], np.int32)
    crossing = Annotation("bone", Polygon(bow).buffer(0), "2", rings=(bow,))
    assert "crosses itself" in on_blank([crossing], ["label-geometry"]).flag("label-geometry").why
    assert on_blank([square("bone", 5, 5)], ["label-geometry"]).flagged == ()


def test_a_class_that_is_thin_by_nature_is_no_sliver():
    def strip(thick: float, y: float) -> Annotation:
        return Annotation("vessel", Polygon([(0, y), (200, y), (200, y + thick), (0, y + thick)]), f"{y}")

    vessels = [strip(5, 20 * k) for k in range(6)]
    assert on_blank(vessels, ["label-geometry"]).flagged == ()
    found = on_blank([*vessels, strip(1, 150)], ["label-geometry"]).flag("label-geometry")
    assert found.flagged
    assert "sliver: 200 px²" in found.why


def test_parts_of_two_parents_on_one_film_are_no_duplicates():
    mosaic = [square("finger-1", 10, 10, source="a#1"), square("finger-1", 12, 10, source="b#1")]
    assert on_blank(mosaic, ["label-duplicate"]).flagged == ()


def test_a_class_that_most_films_of_the_set_have_is_missed():
    films = [
        Film(
            str(k),
            str(k),
            annotations=lambda k=k: [square("a", 5, 5)] + [square("b", 99, 9)] * (k != 3),
            pixels=lambda: None,
            digest="d",
        )
        for k in range(6)
    ]
    for film in films:
        film.__dict__["gray"] = np.zeros((9, 9), np.uint8)
    results = run_detectors(films, ["label-missing"])
    assert [r.id for r in results if r.flagged] == ["3"]
    assert results[3].flag("label-missing").why == "Not labelled: b."


def test_an_outline_off_its_bone_is_off_its_edge(hands):
    path, annotations = next(iter(hands.values()))
    moved = [
        Annotation(a.label, affinity.translate(a.geometry, 28, 0) if a.label == "finger-7" else a.geometry, a.id)
        for a in annotations
    ]
    flag = judged(path, moved, ["label-edge"]).flag("label-edge")
    assert flag.flagged
    assert "finger-7" in flag.why
