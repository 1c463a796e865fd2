"""Drawn bodies: what they are, and that the shipped heads, which learnt from others of them, tell them from hands."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.flags import bodies, drawn
from benchmarks.flags.sample import IGNORE
from curate.flags import Film, FilmFlags, run_detectors
from curate.flags.heads import WHOLE, features, prepare
from curate.phantom.film import make_film


def said_of(films: list[np.ndarray]) -> list[FilmFlags]:
    named = [Film(str(k), str(k), pixels=lambda gray=gray: gray, digest=str(k)) for k, gray in enumerate(films)]
    return run_detectors(named, ["not-a-hand", "rotation"])


@pytest.mark.parametrize("draw", [draw for draw, _ in bodies.PARTS], ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_a_part_has_bone_and_flesh_and_nothing_thinner_than_nothing(draw, seed):
    bone, flesh = draw((176, 256), np.random.default_rng(seed), 256.0)
    assert bone.shape == flesh.shape == (176, 256)
    for layer in (bone, flesh):
        assert np.isfinite(layer).all()
        assert layer.min() >= -1e-3
    assert bone.max() > 1


def test_a_bones_thickness_is_that_of_a_hollow_rod():
    bone = bodies._tube((61, 101), [np.array([10.0, 30.0]), np.array([90.0, 30.0])], [12, 12], 0.5)
    off = np.abs(np.arange(61) - 30.0)
    rod = [np.sqrt(np.clip(r * r - off * off, 0, None)) for r in (12, 6)]
    assert bone[:, 50] == pytest.approx(rod[0] - bodies.MARROW * rod[1], abs=1e-4)
    assert bone[30, 100] == pytest.approx(np.sqrt(12**2 - 10**2), abs=1e-4)  # its end is round


def test_a_body_is_the_same_for_the_same_seed_and_another_for_another():
    first, again, other = (bodies.body((176, 256), np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.shape == (256, 176)
    assert first.dtype == np.float32
    assert 0 <= first.min() < first.max() <= 255
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_drawn_picture_says_what_can_be_said_of_it():
    rng = np.random.default_rng(1)
    said = [drawn.picture(rng)[1] for _ in range(25)]
    at = {name: {float(a[k]) for a in said} for k, name in enumerate(WHOLE)}
    assert at == {"inverted": {0, 1}, "not-a-hand": {1, IGNORE}, "multiple-views": {0, IGNORE}, "bent": {IGNORE}}
    assert all((a[0] == 1) == (a[1] == IGNORE) for a in said)


def test_a_picture_said_to_be_inverted_is(monkeypatch):
    shown = []
    for share in (0, 1):
        monkeypatch.setattr(drawn, "NEGATIVE", share)
        shown.append(drawn.picture(np.random.default_rng(7)))
    (plain, said), (negative, told) = shown
    assert np.array_equal(negative, 255 - plain)
    assert (said[0], told[0]) == (0, 1)


def test_what_is_seen_of_drawn_bodies_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn, "ROUNDS", 2)
    monkeypatch.setattr(drawn, "EACH", 2)
    said: list[str] = []
    drawn.make(tmp_path, said.append)
    (tmp_path / "drawn1.npz").unlink()
    drawn.make(tmp_path, said.append)
    assert [line.split(":")[0] for line in said] == ["drawn0.npz", "drawn1.npz", "drawn1.npz"]
    seen, answers = drawn.read(tmp_path)
    assert seen.shape[0] == 4
    assert answers.shape == (4, len(WHOLE))
    again, told = drawn.picture(np.random.default_rng([0, 2]))
    assert np.array_equal(answers[0], told)
    assert seen[0] == pytest.approx(features(prepare(again)).whole, rel=1e-4, abs=1e-4)


def test_drawn_bodies_are_no_hands_and_point_nowhere_and_phantoms_are_and_do():
    rng = np.random.default_rng(2026)
    drawn_ones = said_of([bodies.body((352, 448), rng).astype(np.uint8) for _ in range(8)])
    assert [r.flagged for r in drawn_ones] == [("not-a-hand",)] * 8
    assert [r.measures["fingers_deg"] for r in drawn_ones] == [None] * 8
    hands = said_of([make_film(5, number, 448).image for number in range(4)])
    assert not any("not-a-hand" in r.flagged for r in hands)
    assert all(r.measures["fingers_deg"] is not None for r in hands)
