"""A small data set that a small network can learn, with a version of mosaics beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from augment.cli import app as augment
from curate.cli import app as curate
from curate.sample.image import write_png
from curate.terminal import run

pytest.importorskip("torch")

BONES = ("Radius", "Ulna", "Scaphoid", "finger-7")
#: What makes a run take a second or two: a small network without pretrained weights.
TINY = (
    "architecture=fpn", "encoder=tu-mobilenetv3_small_050", "weights=none",
    "model={decoder_pyramid_channels: 16, decoder_segmentation_channels: 32}", "size=64", "batch=4",
    "loggers=[]",
)  # fmt: skip


def painted_set(root: Path, patients: int = 6, films: int = 2, size: int = 96) -> Path:
    """Films of four filled ellipses, each bone of its own place and grey level, in the competition's layout."""
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for patient, number in ((p, n) for p in range(patients) for n in range(films)):
        folder, name = f"ID{3 * patient + 1:03d}", f"image{1660000000000 + 100 * patient + number}"
        film = rng.integers(0, 60, (size, size), dtype=np.uint8)
        annotations = []
        for k, label in enumerate(BONES):
            centre = size * np.array([0.3 + 0.4 * (k % 2), 0.3 + 0.4 * (k // 2)]) + rng.uniform(-6, 6, 2)
            radii = size * rng.uniform(0.1, 0.22, 2)
            points = np.rint(centre + np.stack([np.cos(turn), np.sin(turn)], 1) * radii).astype(int)
            points = points[np.append(True, (points[1:] != points[:-1]).any(1))]
            cv2.fillPoly(film, [points.astype(np.int32)], 100 + 50 * k)
            shape = {"id": f"{k}-{patient}{number}", "type": "poly_seg", "attributes": {}, "label": label}
            annotations.append({**shape, "points": points.tolist()})
        write_png(root / "DCM" / folder / f"{name}.png", film)
        place = root / "outputs_json" / folder / f"{name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        wrong = {"height": 3060, "width": 3060}  # as in the competition
        place.write_text(json.dumps({"annotations": annotations, "filename": f"{name}.jpg", "metadata": wrong}))
    return root


@pytest.fixture(scope="session")
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = painted_set(tmp_path_factory.mktemp("tiny") / "set")
    assert run(curate, ["init", str(root), "--classes", *BONES]) == 0
    assert run(augment, ["mosaic", "--n", "9", "--virtual", "--data", str(root)]) == 0
    return root


@pytest.fixture
def tiny(_tiny: Path, tmp_path: Path) -> Path:
    """12 films of 6 patients as v1, and v2 with 9 virtual mosaics more."""
    return Path(shutil.copytree(_tiny, tmp_path / "tiny"))


@pytest.fixture
def settings() -> tuple[str, ...]:
    """``--set`` arguments of a run that takes a second or two."""
    return TINY


@pytest.fixture(scope="session")
def trained(_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny set with a split that has test films, and two runs of fold 0 that found the bones. Not to be changed."""
    from curate.manifest import Manifest
    from train.arms import plan_arms
    from train.config import load
    from train.experiment import run_experiment
    from train.progress import Reporter

    root = Path(shutil.copytree(_tiny, tmp_path_factory.mktemp("trained") / "tiny"))
    assert run(curate, ["split", "--folds", "2", "--test", "0.3", "--from", "v1", "--data", str(root)]) == 0
    manifest = Manifest.open(root)
    config = load(None, [*TINY, "steps=60", "lr=0.02", "augment=flip"])
    arms = plan_arms(manifest, [manifest.versions()[-1].name], 0)
    run_experiment(arms, config, seeds=2, reporter=Reporter(quiet=True))
    return root


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of ``trained`` to write to."""
    return Path(shutil.copytree(trained, tmp_path / "trained"))


def runs_of(root: Path) -> list[Path]:
    """The runs of ``trained``, by seed."""
    return sorted((root / "runs").glob("*/fold0/seed*"))
