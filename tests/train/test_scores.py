"""Dice, NSD and HD95 against plain definitions and the library's own entry points; the table scores.csv."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import CarpusError, UsageError
from train.scores import (
    ScoreRow,
    dice_score,
    pixel_size,
    read_scores,
    rows_of,
    score_masks,
    score_planes,
    surface_scores,
    write_scores,
)


def blob(rng: np.random.Generator, shape=(64, 80)) -> np.ndarray:
    """A random ellipse, now and then empty or touching the border."""
    if rng.random() < 0.15:
        return np.zeros(shape, bool)
    y, x = np.mgrid[: shape[0], : shape[1]]
    cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
    a, b = rng.uniform(1, 14, 2)
    return ((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 <= 1


def plane(masks: np.ndarray) -> np.ndarray:
    bits = np.uint32(1) << np.arange(len(masks), dtype=np.uint32)
    return np.bitwise_or.reduce(masks.astype(np.uint32) * bits[:, None, None], axis=0)


def naive_dice(a: np.ndarray, b: np.ndarray) -> float:
    if not a.any() and not b.any():
        return math.nan
    if not a.any() or not b.any():
        return 0.0
    return (2.0 * (a & b).sum() + 1e-4) / (a.sum() + b.sum() + 1e-4)


@given(st.integers(0, 10_000))
def test_planes_and_masks_equal_the_naive_loop(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.stack([blob(rng) for _ in range(29)]) for _ in range(2))
    wanted = [naive_dice(x, y) for x, y in zip(a, b, strict=True)]
    for scores in (
        score_planes(plane(a), plane(b), 29, boundary=False),
        score_masks(a, b, boundary=False),
    ):
        np.testing.assert_array_equal([s.dice for s in scores], wanted)
        assert [s.present for s in scores] == [bool(y.any()) for y in b]
        assert [s.predicted for s in scores] == [bool(x.any()) for x in a]


def test_policy_for_empty_masks():
    full, empty = np.ones((1, 8, 8), bool), np.zeros((1, 8, 8), bool)
    neither, missed, invented = (score_masks(p, t)[0] for p, t in ((empty, empty), (empty, full), (full, empty)))
    assert math.isnan(neither.dice)
    assert math.isnan(neither.nsd)
    for score in (missed, invented):
        assert (score.dice, score.nsd) == (0.0, 0.0)
        assert math.isnan(score.hd95)
    assert missed.present
    assert not missed.predicted
    assert invented.predicted
    assert not invented.present
    assert dice_score(5, 5, 5) == 1.0
    assert (dice_score(0, 3, 0), dice_score(0, 0, 3)) == (0.0, 0.0)
    assert math.isnan(dice_score(0, 0, 0))


@pytest.mark.parametrize("seed", range(6))
def test_surface_scores_are_the_librarys(seed):
    metrics = pytest.importorskip("monai.metrics")
    import torch

    rng = np.random.default_rng(seed)
    a, b = (np.roll(blob(np.random.default_rng(100 + seed)), rng.integers(-3, 4, 2), (0, 1)) for _ in range(2))
    if not a.any() or not b.any():
        a, b = np.eye(20, dtype=bool), np.eye(20, k=2, dtype=bool)
    x, y = (torch.from_numpy(m[None, None].astype(np.float32)) for m in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own entry points use an argument it has deprecated
        nsd = metrics.compute_surface_dice(x, y, [2.0], include_background=True).item()
        hd95 = metrics.compute_hausdorff_distance(x, y, include_background=True, percentile=95).item()
    assert surface_scores(a, b, 2.0) == pytest.approx((nsd, hd95), abs=1e-5)


def test_surface_scores_of_a_shifted_square():
    pytest.importorskip("monai.metrics")
    truth = np.zeros((1, 60, 60), bool)
    truth[0, 10:40, 10:40] = True
    score = score_masks(np.roll(truth, 4, axis=2), truth, tolerance=4.0)[0]
    assert (score.nsd, score.hd95) == (1.0, 4.0)
    assert score_masks(np.roll(truth, 4, axis=2), truth, tolerance=3.0)[0].nsd < 0.6


def test_shapes_and_types_are_checked_at_the_door():
    with pytest.raises(UsageError, match=r"at least 40 bits, not uint32\(4, 4\)"):
        score_planes(np.zeros((4, 4), np.uint32), np.zeros((4, 4), np.uint32), 40)
    with pytest.raises(UsageError, match="native size"):
        score_planes(np.zeros((4, 4), np.uint32), np.zeros((8, 8), np.uint32), 3)
    with pytest.raises(UsageError, match="unsigned"):
        score_planes(np.zeros((4, 4)), np.zeros((4, 4)), 3)
    with pytest.raises(UsageError, match="two bool"):
        score_masks(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)))


def test_table_round_trip(tmp_path):
    scores = score_masks(np.ones((2, 8, 8), bool), np.stack([np.ones((8, 8), bool), np.zeros((8, 8), bool)]))
    rows = rows_of("ID001/image1", "ID001", ["Radius", 'odd, "class"'], scores)
    write_scores(tmp_path / "scores.csv", rows)
    back = read_scores(tmp_path / "scores.csv")
    assert [(r.image, r.group, r.label, r.present, r.dice) for r in back] == [
        ("ID001/image1", "ID001", "Radius", True, 1.0),
        ("ID001/image1", "ID001", 'odd, "class"', False, 0.0),
    ]
    assert math.isnan(back[1].hd95)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,class,present,dice\n", "no column group"),
        ("image,group,class,present,dice\nx,p,Radius,1,nan\n", "line 2: Radius is present on x but its Dice is nan"),
        ("image,group,class,present,dice\nx,p,Radius,1,\n", "its Dice is empty"),
        ("image,group,class,present,dice\nx,p,Radius,1,1.5\n", "line 2: dice is 1.5, out of range"),
        ("image,group,class,present,dice\nx,p,Radius,yes,0.5\n", "present is 'yes', not 1 or 0"),
        ("image,group,class,present,dice\nx,p,Radius\n", "line 2: 3 cells"),
        ("image,group,class,present,dice\nx,p,Radius,1,good\n", "dice is 'good', not a number"),
        ("image,group,class,present,dice\nx,p,Radius,1,inf\n", "out of range"),
    ],
)
def test_bad_tables_name_the_line(tmp_path, text, message):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(CarpusError, match=message):
        read_scores(tmp_path / "scores.csv")


def test_a_table_of_another_tool(tmp_path):
    text = "\ufeffclass,dice,image,group,present,model\r\nRadius,0.5,x,p,True,unet\r\n"
    (tmp_path / "scores.csv").write_text(text, encoding="utf-8")
    row = read_scores(tmp_path / "scores.csv")[0]
    assert (row.label, row.dice, row.present) == ("Radius", 0.5, True)
    assert math.isnan(row.nsd)
    assert isinstance(row, ScoreRow)


def test_nsd_in_millimetres_where_the_size_of_a_pixel_is_known(tmp_path):
    pytest.importorskip("monai.metrics")
    truth = np.zeros((60, 60), np.uint32)
    truth[10:40, 10:40] = 1
    moved = np.roll(truth, 4, axis=1)
    coarse, fine = (score_planes(moved, truth, 2, pixel_mm=mm) for mm in (0.2, 0.1))
    assert coarse[0].nsd_mm == score_planes(moved, truth, 2, tolerance=2.0)[0].nsd  # 0.4 mm of pixels of 0.2 mm
    assert fine[0].nsd_mm == 1.0 > coarse[0].nsd_mm
    assert coarse[0].nsd == fine[0].nsd == score_planes(moved, truth, 2)[0].nsd
    assert math.isnan(score_planes(moved, truth, 2)[0].nsd_mm)
    assert score_planes(0 * moved, truth, 2, pixel_mm=0.1)[0].nsd_mm == 0.0
    for scores, header in ((coarse, "hd95,nsd_mm"), (score_planes(moved, truth, 2), "hd95")):
        rows = rows_of("a", "p", ["Radius", "Ulna"], scores)
        write_scores(tmp_path / "scores.csv", rows)
        assert (tmp_path / "scores.csv").read_text().splitlines()[0].endswith(header)
        back = read_scores(tmp_path / "scores.csv")[0].nsd_mm
        assert back == pytest.approx(scores[0].nsd_mm, abs=1e-6, nan_ok=True)
    assert [pixel_size({"pixel_mm": v}) for v in (0.14, "x", 0, math.nan)] == [0.14, None, None, None]
    assert pixel_size({}) is None
