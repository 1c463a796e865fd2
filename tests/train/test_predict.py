"""What is done with finished runs: predict, put together, thresholds, the frozen test films."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, union_all

torch = pytest.importorskip("torch")

from curate.errors import UsageError  # noqa: E402
from curate.formats.masks import trace  # noqa: E402
from curate.formats.registry import FORMATS  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.sample.image import read_image  # noqa: E402
from curate.terminal import run  # noqa: E402
from tests.train.conftest import BONES, runs_of  # noqa: E402
from train.arms import make_arm  # noqa: E402
from train.cli import app  # noqa: E402
from train.predict.output import shapes_of_plane, simplified, write_predictions  # noqa: E402
from train.predict.predictor import Predictor, find_members, find_pictures, predict_pictures  # noqa: E402
from train.predict.rle import decode, encode_plane, read_submission  # noqa: E402
from train.predict.thresholds import GRID, choose, dice_curves  # noqa: E402
from train.reopen import open_run  # noqa: E402
from train.scores import read_scores, score_planes  # noqa: E402
from train.upscale import plane_of_logits  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def root(trained_copy):
    return trained_copy


_runs = runs_of


def test_predicting_a_film_gives_the_plane_that_was_scored(trained):
    """The same film by `predict` and by the run's own evaluation: one path from picture to mask."""
    opened = open_run(_runs(trained)[0], on=CPU)
    predictor = Predictor(find_members([opened.path], CPU), CPU)
    scores = {(row.image, row.label): row.dice for row in read_scores(opened.path / "scores.csv")}
    from train.evaluate import true_plane

    for row in opened.films():
        plane = predictor.plane(read_image(trained / row.image).gray)
        for label, score in zip(BONES, score_planes(plane, true_plane(opened.reader, row, BONES), 4), strict=True):
            assert score.dice == pytest.approx(scores[row.id, label], abs=1e-6, nan_ok=True)
        with np.load(opened.path / "predictions" / f"{row.id}.npz") as kept:
            assert (kept["plane"] == plane).all()
            assert kept["scale"] == 1.0


@pytest.mark.parametrize("tta", [("flip",), ("scale",), ("rotate",), ("flip", "scale", "rotate")])
def test_test_time_augmentation_lands_where_it_should(trained, tta):
    """A shift by half a pixel, or a flip not undone, would cost far more than this."""
    members = find_members(_runs(trained)[:1], CPU)
    gray = read_image(find_pictures(trained / "DCM")[0]).gray
    plain, averaged = Predictor(members, CPU).plane(gray), Predictor(members, CPU, tta=tta).plane(gray)
    dice = [s.dice for s in score_planes(averaged, plain, 4, boundary=False) if s.dice == s.dice]
    assert np.mean(dice) > 0.8


def test_a_flipped_network_sees_through_a_flip(trained):
    """With an exactly mirrored picture, the flip-averaged masks are exactly mirrored."""
    predictor = Predictor(find_members(_runs(trained)[:1], CPU), CPU, tta=("flip",))
    gray = read_image(find_pictures(trained / "DCM")[0]).gray
    there, back = predictor.plane(gray), predictor.plane(np.ascontiguousarray(gray[:, ::-1]))[:, ::-1]
    assert (there != back).mean() < 0.002


def test_ways_of_putting_runs_together(trained):
    members = find_members([trained / "runs"], CPU)
    assert len(members) == 2
    gray = read_image(find_pictures(trained / "DCM")[0]).gray
    single = [Predictor([m], CPU).plane(gray) for m in members]
    hard = Predictor(members, CPU, "hard").plane(gray)
    assert ((hard & ~(single[0] | single[1])) == 0).all()
    assert (hard == single[0]).all(), "two members never outvote the first"
    three = Predictor([*members, members[1]], CPU, "hard").plane(gray)
    assert (three == single[1]).all()
    twice = Predictor([members[0], members[0]], CPU, "soft").plane(gray)
    assert (twice != single[0]).mean() < 1e-3
    members[0].dice[:], members[1].dice[:] = [1, 0, 1, 0], [0, 1, 0, 1]
    for method in ("class-wise", "weighted"):
        mixed = Predictor(members, CPU, method).plane(gray)
        for k in range(4):
            other = single[k % 2]
            assert (((mixed ^ other) >> np.uint32(k)) & 1).mean() < 1e-3


def test_members_of_other_classes_are_refused(trained):
    members = find_members([trained / "runs"], CPU)
    members[1].classes = ("Radius", "Ulna", "Scaphoid", "finger-8")
    with pytest.raises(UsageError, match=r"has other classes than .*: finger-7, finger-8"):
        Predictor(members, CPU)
    with pytest.raises(UsageError, match="'best' is none of: soft"):
        Predictor(members[:1], CPU, "best")
    with pytest.raises(UsageError, match="'shear' is none of: flip"):
        Predictor(members[:1], CPU, tta=("shear",))


def test_the_submission(root, tmp_path, capsys):
    out = tmp_path / "out.csv"
    broken = root / "DCM" / "ID001" / "broken.png"
    broken.write_bytes(b"\x89PNG no")
    assert run(app, ["predict", str(_runs(root)[0]), str(root / "DCM"), "-o", str(out)]) == 2
    assert "broken.png" in capsys.readouterr().err
    rows = list(read_submission(out))
    pictures = [p for p in find_pictures(root / "DCM") if p != broken]
    assert [(name, label) for name, label, _ in rows] == [(p.name, b) for p in pictures for b in BONES]
    predictor = Predictor(find_members(_runs(root)[:1], CPU), CPU)
    plane = predictor.plane(read_image(pictures[0]).gray)
    for k in range(4):
        assert (decode(rows[k][2], 96, 96) == ((plane >> np.uint32(k)) & 1 == 1)).all()


def test_predictions_as_labels_of_every_format(root, tmp_path):
    """Written by each format of curate, and read back by it where it reads: the same masks, within what it can hold."""
    predictor = Predictor(find_members(_runs(root)[:1], CPU), CPU)
    folder = root / "DCM" / "ID001"
    found = [(p, predictor.plane(read_image(p).gray)) for p in find_pictures(folder)]
    for kind, form in FORMATS.items():
        out = tmp_path / kind
        assert write_predictions(found, BONES, out, kind, folder) == 2
        assert len([p for p in out.rglob("*.png") if "image1660" in p.name]) >= 2
        if kind == "competition":
            document = json.loads(next(out.rglob("*.json")).read_text())
            assert {entry["label"] for entry in document["annotations"]} <= set(BONES)
            continue
        if kind == "nnunet":  # keeps labels of test films apart, and does not read them
            masks = [cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in sorted((out / "labelsTs").glob("*.png"))]
            assert all(np.mean((m > 0) != (p > 0)) < 0.01 for m, (_, p) in zip(masks, found, strict=True))
            continue
        reading = form.read(out, None, None)
        assert len(reading.items) == 2, kind
        for item, (_, plane) in zip(sorted(reading.items, key=lambda i: i.name), found, strict=True):
            held = {BONES[k] for k in range(4) if ((plane >> np.uint32(k)) & 1).any()}
            named = {shape.label for shape in item.shapes}
            assert named <= held, kind
            assert len(named) >= len(held) - 1, kind  # index masks lose a bone that lies under another
    words = ["predict", str(_runs(root)[0]), str(folder), "-o", str(tmp_path / "coco"), "--format", "coco"]
    assert run(app, words) == 2, "a folder that is not empty is refused"


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.0, 2.0))
def test_simplified_outlines_keep_their_topology(seed, tolerance):
    """As many parts and as many holes as the mask has, whatever its shape, and every vertex near an outline."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(48, 48)).astype(np.float32), (0, 0), 3)
    mask = noise > 0.02
    if not mask.any():
        return
    exact = trace(mask, "x")
    made = simplified(exact, tolerance)
    assert len(made) == len(exact)
    assert sum(len(p.holes) for p in made) == sum(len(p.holes) for p in exact)
    shapes = [_region(parts) for parts in (exact, made)]
    assert all(shape.is_valid for shape in shapes)
    assert shapes[0].boundary.hausdorff_distance(shapes[1].boundary) < 4 * tolerance + 1


def _region(parts):
    return union_all([Polygon(p.outer, p.holes) for p in parts])


def test_simplified_outlines_keep_the_mask_and_its_holes():
    mask = np.zeros((80, 80), np.uint8)
    cv2.circle(mask, (40, 40), 30, 1, -1)
    cv2.circle(mask, (40, 40), 10, 0, -1)
    cv2.circle(mask, (74, 74), 4, 1, -1)
    (shape,) = shapes_of_plane(mask.astype(np.uint32), ("a",), Path("x"))
    assert len(shape.parts) == 2
    assert [len(part.holes) for part in shape.parts].count(1) == 1
    exact = sum(len(part.outer) for part in trace(mask > 0, "x"))
    assert sum(len(part.outer) for part in shape.parts) < 0.8 * exact
    from curate.sample.raster import coverage

    again = coverage(_region(shape.parts), (80, 80))
    assert (again != (mask > 0)).sum() <= 2
    assert (coverage(_region(simplified(trace(mask > 0, "x"), 0.0)), (80, 80)) == (mask > 0)).all()


def test_dice_of_every_threshold_is_that_of_its_masks():
    rng = np.random.default_rng(0)
    logits = rng.normal(-0.5, 1.5, (3, 12, 10)).astype(np.float32)
    logits[2] = -9
    truth = np.zeros((48, 40), np.uint32)
    truth[10:30, 5:25] = 1
    truth[20:40, 15:35] |= 2
    curves = dice_curves(logits, 0.25, truth)
    for t, threshold in enumerate(GRID):
        plane = plane_of_logits(logits, 0.25, (40, 48), threshold)
        expected = [s.dice for s in score_planes(plane, truth, 3, boundary=False)]
        assert curves[:, t] == pytest.approx(expected, nan_ok=True)


def test_thresholds_are_not_fooled_by_noise_and_find_what_is_there():
    rng = np.random.default_rng(1)
    groups = [f"p{k // 2}" for k in range(40)]
    noise = 0.9 + rng.normal(0, 0.01, (40, 6, len(GRID)))
    gains = [choose(0.9 + rng.normal(0, 0.01, (40, 6, len(GRID))), groups, 0.5).gain for _ in range(20)]
    assert abs(np.mean(gains)) < 0.001, "choosing on noise promises nothing"
    best = GRID.index(0.3)
    real = noise - 0.02 * np.abs(np.arange(len(GRID)) - best)
    tuned = choose(real, groups, 0.5)
    assert tuned.gain == pytest.approx(0.08, abs=0.01)
    assert all(abs(t - 0.3) <= 0.051 for t in tuned.thresholds)
    worse = np.full_like(real, np.nan)
    assert choose(worse, groups, 0.5).thresholds == (0.5,) * 6


def test_tuned_thresholds_are_kept_and_used(root, tmp_path, capsys):
    folder = _runs(root)[0]
    before = (folder / "scores.csv").read_bytes()
    assert run(app, ["thresholds", str(folder), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made["thresholds"]) == set(BONES)
    assert (folder / "scores.csv").read_bytes() == before, "a comparison never sees tuned thresholds"
    assert find_members([folder], CPU, tuned=True)[0].thresholds == list(made["thresholds"].values())
    with pytest.raises(UsageError, match="has no tuned thresholds"):
        find_members([_runs(root)[1]], CPU, tuned=True)


def test_an_ensemble_is_scored_way_by_way(root, capsys):
    assert run(app, ["ensemble", str(root / "runs"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [way["name"] for way in found["ways"]]
    assert names[-4:] == ["soft", "weighted", "class-wise", "hard"]
    assert (found["members"], len(names)) == (2, 6)
    dice = {way["name"]: way["dice"] for way in found["ways"]}
    one = read_scores(_runs(root)[0] / "scores.csv")
    means = [np.nanmean([r.dice for r in one if r.label == b]) for b in BONES]
    assert dice[names[0]] == pytest.approx(np.mean(means), abs=1e-5)
    assert dice["soft"] > min(dice[n] for n in names[:2]) - 0.02


def test_looking_at_the_test_films_is_recorded(root, capsys):
    folder = _runs(root)[0]
    for look in (1, 2):
        assert run(app, ["evaluate", str(folder), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["split"], found["looks"]) == ("test", look)
    version = Manifest.open(root).versions()[-1]
    test = {row.id for row in version.samples if row.split == "test"}
    assert {row.image for row in read_scores(folder / "test" / "scores.csv")} == test
    assert test
    arm = make_arm(version, version, 0)
    assert not test & {row.id for row in (*arm.training, *arm.evaluation)}
    assert run(app, ["evaluate", str(folder), "--split", "nosuch"]) == 2


def test_bad_asks_of_predict(root, tmp_path, capsys):
    folder, empty = str(_runs(root)[0]), tmp_path / "empty"
    empty.mkdir()
    csv = str(tmp_path / "x.csv")
    for words, said in (
        ([folder, "-o", csv], "needs RUN... IMAGES"),
        ([folder, str(root / "nowhere"), "-o", csv], "no such file or folder"),
        ([folder, str(root / "data_manifest"), "-o", csv], "no picture there"),
        ([folder, str(root / "DCM"), "-o", "x"], "name the format"),
        ([str(empty), str(root / "DCM"), "-o", csv], "neither a run folder"),
        ([folder, str(root / "DCM"), "-o", str(tmp_path / "y"), "--format", "nosuch"], "is none of"),
    ):
        assert run(app, ["predict", *words]) == 2
        assert said in capsys.readouterr().err


def test_two_pictures_of_one_name_are_refused_for_the_csv(root, tmp_path, capsys):
    twin = root / "DCM" / "ID999" / find_pictures(root / "DCM")[0].name
    twin.parent.mkdir()
    twin.write_bytes(find_pictures(root / "DCM")[0].read_bytes())
    assert run(app, ["predict", str(_runs(root)[0]), str(root / "DCM"), "-o", str(tmp_path / "x.csv")]) == 2
    assert "the CSV holds file names only" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "thresholds", "evaluate", "ensemble", "export", "errors", "pseudo"])
def test_a_damaged_run_is_one_clear_line(root, tmp_path, command, capsys):
    first, second = _runs(root)
    rest = {
        "predict": [str(root / "DCM"), "-o", str(tmp_path / "x.csv")], "ensemble": [str(second)],
        "export": ["--onnx", str(tmp_path / "x.onnx")],
    }.get(command, [])  # fmt: skip
    if command == "export":
        pytest.importorskip("onnxscript")
    model, record = (first / "model.pt").read_bytes(), json.loads((first / "run.json").read_text())
    faults = [("model.pt", model[:1000]), ("model.pt", pickle.dumps(Path)), ("run.json", b"{}")]
    if command not in ("predict", "pseudo", "evaluate"):
        faults.append(("run.json", json.dumps({**record, "evaluation": []}).encode()))
    for name, data in faults:
        if command == "predict" and name == "run.json":
            continue  # predicting needs the model alone
        kept = (first / name).read_bytes()
        (first / name).write_bytes(data)
        assert run(app, [command, str(first), *rest]) == 2, (command, name)
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1, told
        assert str(first) in told[0]
        (first / name).write_bytes(kept)


def test_pictures_that_cannot_be_read_are_set_aside(trained, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    refused = []
    predictor = Predictor(find_members(_runs(trained)[:1], CPU), CPU)
    assert list(predict_pictures(predictor, find_pictures(tmp_path), refused)) == []
    assert "a.png" in str(refused[0])


def test_encode_agrees_with_the_planes(trained):
    with np.load(next((_runs(trained)[0] / "predictions").rglob("*.npz"))) as kept:
        plane = kept["plane"]
    for k, text in enumerate(encode_plane(plane, 4)):
        assert (decode(text, *plane.shape) == ((plane >> np.uint32(k)) & 1 == 1)).all()
