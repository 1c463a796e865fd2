"""What a run leaves to look at, and what it says when a batch or a number does not fit."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import train.fit.batch  # noqa: E402
from curate.errors import UsageError  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from train.arms import make_arm  # noqa: E402
from train.config import load  # noqa: E402
from train.fit.batch import Need, check_batch, find_batch, largest_batch, need_of  # noqa: E402
from train.fit.loggers import make_loggers  # noqa: E402
from train.fit.losses import Loss  # noqa: E402
from train.fit.module import LossError, Segmenter  # noqa: E402
from train.fit.run import fit_run  # noqa: E402
from train.fit.sheets import BOTH, FOUND, TRUE, bars, outlines  # noqa: E402
from train.models.zoo import build  # noqa: E402
from train.progress import Reporter  # noqa: E402
from train.runs import RunFolder, run_folder  # noqa: E402
from train.scores import read_scores  # noqa: E402

QUIET = Reporter(quiet=True)
LOOKS = ("steps=10", "inner=0.3", "evaluate_every=5")


def _fit(root, settings):
    version = Manifest.open(root).version("v2")
    config = load(None, settings)
    return fit_run(make_arm(version, version, 0, config.inner), 0, config, root / "runs", QUIET)


def test_tensorboard_and_csv_hold_curves_bones_and_pictures(tiny, settings):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = _fit(tiny, [*settings, *LOOKS, "loggers=[tensorboard]"]).folder
    seen = events.EventAccumulator(str(folder.path / "tensorboard"), size_guidance={"images": 0}).Reload()
    bones = ["Radius", "Ulna", "Scaphoid", "finger-7"]
    named = {"loss", "lr", "inner_dice", "dice", *(f"{kind}/{bone}" for kind in ("inner", "dice") for bone in bones)}
    assert named <= set(seen.Tags()["scalars"])
    assert set(seen.Tags()["images"]) == {"inner", "dice", "predictions"}
    assert [event.step for event in seen.Scalars("loss")] == [10]
    assert [event.step for event in seen.Images("predictions")] == [5, 10]
    picture = seen.Images("predictions")[0]
    assert (picture.height, picture.width) == (64, 2 * 64 + 2)  # two inner films
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    held = [row.dice for row in read_scores(folder.scores) if row.label == "Ulna"]
    assert seen.Scalars("dice/Ulna")[0].value == pytest.approx(np.mean(held), abs=1e-6)
    with open(folder.path / "inner.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["step"], row["class"]) for row in rows} == {(s, b) for s in ("5", "10") for b in bones}
    last = {row["class"]: float(row["dice"] or "nan") for row in rows if row["step"] == "10"}
    for bone in bones:
        assert seen.Scalars(f"inner/{bone}")[-1].value == pytest.approx(last[bone], abs=1e-5)


def test_weights_and_biases_works_offline(tiny, settings):
    pytest.importorskip("wandb")
    folder = _fit(tiny, [*settings, "steps=10", "loggers=[wandb]"]).folder
    kept = list((folder.path / "wandb").glob("offline-run-*/*.wandb"))
    assert kept
    assert all(path.stat().st_size > 500 for path in kept)
    pictures = list((folder.path / "wandb").rglob("*.png"))
    assert {path.name.split("_")[0] for path in pictures} == {"predictions", "dice"}


def test_a_logger_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("train.fit.loggers.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"wandb is not installed: pip install 'carpus\[wandb\]'"):
        make_loggers(load(None, ["loggers=[wandb]"]), RunFolder(tmp_path), "v1")


def test_outlines_and_bars_show_what_they_are_given():
    truth, found = np.zeros((20, 20), np.uint32), np.zeros((2, 20, 20), bool)
    truth[4:10, 4:10], found[1, 4:10, 12:18] = 1, True
    picture = outlines(np.zeros((20, 20), np.uint8), truth, found)
    assert tuple(picture[3, 6]) == TRUE
    assert tuple(picture[3, 14]) == FOUND
    found[1] = truth > 0
    assert tuple(outlines(np.zeros((20, 20), np.uint8), truth, found)[3, 6]) == BOTH
    lengths = [(bars("x", {"a": v})[25] == (0, 114, 178)).all(-1).sum() for v in (0.25, 0.5, math.nan)]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=2)
    assert lengths[2] == 0


def test_a_loss_that_breaks_keeps_the_last_good_checkpoint(tiny, settings, monkeypatch):
    settings = [*settings, "steps=8", "checkpoint_every=2"]
    version = Manifest.open(tiny).version("v2")
    folder = run_folder(tiny / "runs", make_arm(version, version, 0), load(None, settings), 0)
    proper, calls = Loss.forward, []

    def broken(self, logits, target):
        calls.append(1)
        return proper(self, logits, target) * (math.nan if len(calls) == 6 else 1)

    monkeypatch.setattr(Loss, "forward", broken)
    with pytest.raises(LossError, match="the batch was: "):
        _fit(tiny, settings)
    kept = torch.load(folder.resume, weights_only=True)
    assert kept["global_step"] == 4
    assert all(torch.isfinite(v).all() for v in kept["state_dict"].values() if v.is_floating_point())
    assert not folder.finished


def test_weights_that_break_are_not_kept():
    config = load(None, ["encoder=resnet18", "weights=none", "size=64"])
    module = Segmenter(build(config, 2), config, ("a", "b"), 0)
    module.check_weights()
    module._last_films = ["ID003/x"]
    next(module.network.parameters()).data[0] = math.inf
    with pytest.raises(LossError, match="the last batch was: ID003/x"):
        module.check_weights()


def test_the_largest_batch_is_found_by_trying():
    for limit in (0, 1, 2, 3, 7, 8, 100):
        tried = []
        assert largest_batch(lambda n, limit=limit, tried=tried: tried.append(n) or n <= limit) == limit
        assert len(tried) <= 2 * max(limit, 1).bit_length() + 2
    assert largest_batch(lambda n: True, 20) == 20
    assert largest_batch(lambda n: True, 0) == 0


def test_what_a_step_needs_grows_with_batch_and_size_and_a_batch_that_cannot_fit_is_refused(monkeypatch):
    needs = {}
    for size in (64, 128):
        config = load(None, ["encoder=resnet18", "weights=none", f"size={size}", "batch=512"])
        network, loss = build(config, 5), Loss(config, "abcde")
        needs[size] = need_of(network, loss, config, 5)
    weights = 4 * sum(p.numel() for p in network.parameters())
    assert needs[128].fixed == 4 * weights
    assert 3 < needs[128].sample / needs[64].sample < 4.2
    image = 128 * 128 * 4
    assert needs[128].sample > 64 * image / 4 + 5 * image  # the first layer's maps at half size, and the logits
    assert Need(100, 10).fits(155) == 5
    assert Need(100, 10).fits(50) == 0
    free = needs[128].total(40)
    monkeypatch.setattr(train.fit.batch, "free_memory", lambda: free)
    module = Segmenter(network, config, tuple("abcde"), 0)
    with pytest.raises(UsageError, match=r"batch: 512 samples of 128 pixels need about .* GiB, .* free; batch=3\d"):
        check_batch(module)
    fits, told = find_batch(network, loss, config, 5)
    assert 30 < fits < 40
    assert "MiB a sample" in told
