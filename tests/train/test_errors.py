"""Where runs go wrong: what is out of line, the maps, the page and the flag."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from curate.cli import app as curate  # noqa: E402
from curate.errors import UsageError  # noqa: E402
from curate.flagged import flags_by_sample  # noqa: E402
from curate.flags.store import load_flags  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.terminal import run  # noqa: E402
from tests.train.conftest import BONES, runs_of  # noqa: E402
from train.cli import app  # noqa: E402
from train.errors import find_outliers, inspect_runs  # noqa: E402
from train.errors.gradcam import grad_cams  # noqa: E402
from train.errors.maps import INVENTED, MISSED, RIGHT, WRONG, Drawn, border_map, error_map, verdicts  # noqa: E402
from train.errors.outliers import limit  # noqa: E402
from train.scores import ScoreRow, write_scores  # noqa: E402


@pytest.mark.parametrize("films", [12, *(pytest.param(n, marks=pytest.mark.long) for n in (10, 40, 160))])
def test_false_alarms_keep_to_the_stated_rate(films):
    """29 bones whose log error is normal: one film in a hundred, and no more than twice that, is called odd."""
    rng = np.random.default_rng(films)
    rounds = (700 if films == 12 else 20_000) // films
    found = sum(len(find_outliers(1 - np.exp(rng.normal(-3, 0.5, (films, 29))))) for _ in range(rounds))
    assert 0.002 < found / (rounds * films) < 0.02


def test_the_skew_that_dice_has_raises_no_alarms():
    rng = np.random.default_rng(0)
    found = sum(len(find_outliers(rng.beta(40, 3, (50, 29)))) for _ in range(10))
    assert found / 500 < 0.01


def test_a_planted_failure_is_found_with_its_bone():
    dice = np.random.default_rng(1).beta(60, 3, (40, 6))
    dice[7, 3], dice[7, 5], dice[11, 2] = 0.1, 0.0, np.nan
    first, *rest = find_outliers(dice)
    assert (first.film, set(first.bones)) == (7, {3, 5})
    assert first.n == (40, 40)
    assert first.medians[0] > 0.9
    assert all(outlier.film != 11 for outlier in rest)


def test_few_films_and_small_differences_say_nothing():
    dice = np.random.default_rng(2).beta(60, 3, (7, 4))
    dice[0] = 0.0
    assert find_outliers(dice) == []
    tight = 0.98 + np.random.default_rng(3).normal(0, 1e-4, (30, 4))
    tight[0] -= 0.03
    assert find_outliers(tight) == [], "three hundredths of Dice are not worth a person's look"


def test_the_limit_is_that_of_the_normal_distribution_for_many_films():
    from scipy.stats import norm

    assert limit(4000, 0.001) == pytest.approx(norm.isf(0.001), abs=0.1)
    assert limit(10, 0.001) > 1.5 * limit(4000, 0.001), "few films vary more"


def _bits(*masks):
    plane = np.zeros((60, 60), np.uint32)
    for k, (y, x) in enumerate(masks):
        plane[y, x] |= np.uint32(1 << k)
    return plane


def test_every_pixel_gets_its_verdict():
    truth = _bits((np.s_[5:25], np.s_[5:25]), (np.s_[30:50], np.s_[5:25]))
    found = _bits((np.s_[5:25], np.s_[10:30]), (np.s_[5:25], np.s_[5:8]))
    masks = verdicts(truth, found)
    assert masks[RIGHT][10, 15]
    assert masks[MISSED][10, 9]
    assert masks[MISSED][40, 10]
    assert masks[INVENTED][10, 27]
    assert masks[WRONG][10, 6], "the first bone is missed there and the second invented"
    assert (sum(mask.astype(int) for mask in masks.values()) == ((truth | found) != 0)).all()
    drawn = Drawn(np.full((60, 60), 90, np.uint8), truth, found, 1.0)
    assert len(np.unique(error_map(drawn).reshape(-1, 3), axis=0)) == 5


# Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009): what people without one kind of cone see, linear RGB.
_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", _BLIND)
def test_colours_are_told_apart_by_colour_blind_people(kind):
    linear = (np.array([RIGHT, MISSED, INVENTED, WRONG]) / 255) ** 2.2
    seen = np.clip(linear @ np.array(_BLIND[kind]).T, 0, 1) ** (1 / 2.2)
    lab = cv2.cvtColor(seen.astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    apart = [np.linalg.norm(a - b) for k, a in enumerate(lab) for b in lab[k + 1 :]]
    assert min(apart) > 15, "a difference of 2.3 can just be seen"


def test_borders_are_coloured_by_how_far_off_they_are():
    truth, near, far = (_bits((np.s_[20:40], np.s_[x : x + 20])) for x in (10, 11, 30))
    gray = np.zeros((60, 60), np.uint8)
    pictures = [border_map(Drawn(gray, truth, found, 1.0), [0]) for found in (truth, near, far)]
    yellow = [(p[..., 0] > 200).sum() for p in pictures]
    assert yellow[0] == yellow[1] == 0
    assert yellow[2] > 20, "a border 20 pixels off has the last colour"
    assert ((pictures[0][..., 2] > 60) & (pictures[0][..., 0] < 20)).any(), "one on the other's has the first"
    half = border_map(Drawn(gray, truth, far, 4.0), [0])
    assert (half[..., 0] > 200).sum() < yellow[2], "20 drawn pixels are 5 of the film"


class _Corner(torch.nn.Module):
    """A network with an encoder: class 0 is fed by what is bright, class 1 by what is dark."""

    stride = 8

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Module()
        self.body.encoder = torch.nn.AvgPool2d(8)

    def forward(self, image):
        deep = self.body.encoder(image)
        bright = torch.nn.functional.interpolate(deep, scale_factor=8)
        return torch.cat([bright, 255 - bright], 1)


def test_grad_cam_points_at_what_speaks_for_a_class():
    image = np.full((64, 64), 10, np.uint8)
    image[40:56, 8:24] = 200
    everywhere = np.ones((64, 64), bool)
    bright, dark = grad_cams(_Corner(), image, [(0, everywhere), (1, everywhere)], torch.device("cpu"))
    y, x = np.unravel_index(bright.argmax(), bright.shape)
    assert (40 <= y < 56, 8 <= x < 24) == (True, True)
    assert bright[5, 50] < 0.2 < bright.max() == 1
    assert not dark.any(), "nothing speaks for a class whose gradient is negative where features are"
    with pytest.raises(UsageError, match="has no encoder"):
        next(_without_encoder(image))


def _without_encoder(image):
    network = _Corner()
    network.body = torch.nn.Identity()
    return grad_cams(network, image, [(0, image > 0)], torch.device("cpu"))


def test_the_page_and_what_is_printed(trained_copy, tmp_path, capsys):
    out = tmp_path / "errors.html"
    assert run(app, ["errors", str(trained_copy / "runs"), "--films", "2", "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    page = out.read_text()
    assert len(page) < 2 << 20, "a page of two films and four bones is small"
    assert page.count("data:image/jpeg") == 2 * 4 + 4 * 3
    assert not re.search(r"<img[^>]+ src=", page), "pictures are drawn when they come near"
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert [c["name"] for c in told["classes"]] == list(BONES)
    dice = [film["dice"] for film in told["films"]]
    assert dice == sorted(dice)
    assert all(film["image"] in page for film in told["films"][:2])
    assert run(app, ["errors", str(runs_of(trained_copy)[0]), "--films", "0", "--no-flag"]) == 0
    assert (runs_of(trained_copy)[0] / "errors.html").is_file()
    assert "worst films" in capsys.readouterr().out


def _scored(root: Path, version, fold: int, dice: dict[str, float]) -> Path:
    """A run folder as another tool might leave it: scores of a fold's films, all bones alike but for those given."""
    rows = [row for row in version.samples if row.fold == fold]
    rng = np.random.default_rng(fold)
    folder = root / "runs" / "arm" / f"fold{fold}"
    folder.mkdir(parents=True)
    scores = []
    for row in rows:
        for label in BONES:
            value = dice.get(f"{row.id} {label}", float(rng.beta(60, 3)))
            scores.append(ScoreRow(row.id, row.group, label, True, value))
    write_scores(folder / "scores.csv", scores)
    record = {
        "version": version.name, "digest": version.digest, "split_digest": version.split_digest, "fold": fold,
        "seed": 0, "config": {}, "classes": list(BONES), "evaluation": [row.id for row in rows],
        "manifest": "../../../data_manifest.yaml",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_a_film_out_of_line_becomes_a_flag_that_drop_and_augment_know(tiny, capsys):
    version = Manifest.open(tiny).version("v1")
    odd = version.samples[3]
    for fold in range(version.folds):
        _scored(tiny, version, fold, {f"{odd.id} Scaphoid": 0.05})
    assert run(app, ["errors", str(tiny / "runs"), "--films", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n_films"], told["flagged"]) == (12, 1)
    assert told["outliers"][0]["classes"] == ["Scaphoid"]
    flag = load_flags(tiny)[odd.id].flag("model-disagrees")
    assert flag.flagged
    assert "Scaphoid: model and label agree at a Dice of 0.05" in flag.why
    x0, y0, x1, y1 = flag.where
    assert 0 <= x0 < x1 <= odd.width
    assert 0 <= y0 < y1 <= odd.height
    assert flags_by_sample(version)[odd.id] == ("model-disagrees",)
    other = load_flags(tiny)[version.samples[0].id].flag("model-disagrees")
    assert not other.flagged
    assert run(curate, ["drop", "--flag", "model-disagrees", "--from", "v1", "--data", str(tiny)]) == 0
    kept = Manifest.open(tiny).versions()[-1]
    assert "evaluation-only" in kept.row(odd.id).tags
    from augment.cli import app as augment

    words = ["mosaic", "--from", "v1", "--without-flag", "model-disagrees", "--n", "3", "--virtual"]
    assert run(augment, [*words, "--data", str(tiny)]) == 0
    made = [row for row in Manifest.open(tiny).versions()[-1].samples if not row.is_original]
    assert made
    assert all(odd.id not in row.parents for row in made)


def test_the_flag_stays_beside_what_detectors_say_and_is_replaced_by_the_next_run(tiny, capsys):
    version = Manifest.open(tiny).version("v1")
    odd = version.samples[3]
    folders = [_scored(tiny, version, fold, {f"{odd.id} Scaphoid": 0.05}) for fold in range(version.folds)]
    words = ["flag-outliers", "v1", "--detector", "exposure", "--data", str(tiny)]
    assert run(curate, words) == 0
    assert run(app, ["errors", str(tiny / "runs"), "--films", "0"]) == 0
    assert run(curate, words) == 0
    names = {flag.name for flag in load_flags(tiny)[odd.id].flags}
    assert names == {"exposure", "model-disagrees"}
    for folder in folders:
        path = folder / "scores.csv"
        path.write_text(path.read_text().replace("0.050000", "0.950000"))
    assert run(app, ["errors", str(tiny / "runs"), "--films", "0"]) == 0
    assert not load_flags(tiny)[odd.id].flag("model-disagrees").flagged
    capsys.readouterr()


def test_only_films_out_of_fold_count(tiny, capsys):
    version = Manifest.open(tiny).version("v1")
    folder = _scored(tiny, version, 0, {})
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "fold": 1}))
    with pytest.raises(UsageError, match="is not out of fold"):
        inspect_runs([folder])
    (folder / "run.json").write_text(json.dumps({**record, "evaluation": []}))
    with pytest.raises(UsageError, match=r"not what run\.json says was scored"):
        inspect_runs([folder])
    write_scores(folder / "scores.csv", [])
    with pytest.raises(UsageError, match="was scored on no film"):
        inspect_runs([folder])
    for words, said in ((["--films", "1000"], "0 to 60"), (["--false-alarms", "0.2"], "between 0 and 0.05")):
        assert run(app, ["errors", str(folder), *words]) == 2
        assert said in capsys.readouterr().err
