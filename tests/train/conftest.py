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
from tests.phantoms import BONES, tiny_set

pytest.importorskip("torch")

#: What makes a run take a second or two: a small network without pretrained weights.
TINY = (
    "architecture=fpn", "encoder=tu-mobilenetv3_small_050", "weights=none",
    "model={decoder_pyramid_channels: 16, decoder_segmentation_channels: 32}", "size=64", "batch=4",
)  # fmt: skip


def paint(root: Path) -> None:
    """Fill every bone of a tiny set with its own grey level."""
    for labels in root.rglob("*.json"):
        film = root / "DCM" / labels.parent.name / f"{labels.stem}.png"
        picture = cv2.imread(str(film), cv2.IMREAD_GRAYSCALE)
        for annotation in json.loads(labels.read_text())["annotations"]:
            level = 80 + 50 * BONES.index(annotation["label"])
            cv2.fillPoly(picture, [np.array(annotation["points"], np.int32)], min(level, 255))
        write_png(film, picture)


@pytest.fixture(scope="session")
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tiny_set(tmp_path_factory.mktemp("tiny") / "set", patients=6, films=2, size=96)
    paint(root)
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
