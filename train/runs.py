"""The run folder: its name, what it holds while a run is under way, and what a finished one says of itself.

``runs/<version>-<hash>/fold<f>/seed<s>/`` holds ``config.yaml``, ``log.csv``, ``model.pt``, ``scores.csv``,
``predictions/`` and, written last, ``run.json``; ``resume.ckpt`` only while it is not finished. The seeds of
one arm share a parent, and so do its folds, so that ``train diff`` takes either parent as the arm.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import CarpusError, UsageError
from curate.files import write_atomically
from curate.software import versions_of_libraries
from train.arms import Arm
from train.config import Config, from_dict
from train.scores import NSD_TOLERANCE, NSD_TOLERANCE_MM, pixel_size

FORMAT = 1
LIBRARIES = (
    "carpus", "numpy", "opencv-python-headless", "shapely", "albumentations", "torch", "torchvision", "timm",
    "segmentation-models-pytorch", "lightning", "monai",
)  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def record_file(self) -> Path:
        """``run.json``: there when the run is finished."""
        return self.path / "run.json"

    @property
    def model(self) -> Path:
        """The scored weights."""
        return self.path / "model.pt"

    @property
    def resume(self) -> Path:
        """The checkpoint of a run under way."""
        return self.path / "resume.ckpt"

    @property
    def log(self) -> Path:
        """Loss and learning rate as the run went."""
        return self.path / "log.csv"

    @property
    def scores(self) -> Path:
        """One row a film and class."""
        return self.path / "scores.csv"

    @property
    def predictions(self) -> Path:
        """Label planes of the evaluation films."""
        return self.path / "predictions"

    @property
    def finished(self) -> bool:
        """Whether the run ended."""
        return self.record_file.is_file()


def arm_folder(runs: Path, arm: Arm, config: Config) -> Path:
    """The folder of an arm's runs on one fold: named by its version, and by everything that could change a result."""
    name = f"{arm.version.name}-{config.digest(arm.version.digest, arm.split_digest, str(FORMAT))}"
    return Path(runs) / name / f"fold{arm.fold}"


def run_folder(runs: Path, arm: Arm, config: Config, seed: int) -> RunFolder:
    """The folder of one run."""
    return RunFolder(arm_folder(runs, arm, config) / f"seed{seed}")


def write_record(folder: RunFolder, arm: Arm, config: Config, seed: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``run.json``, which makes the run a finished one; returns what it says."""
    record = {
        "format": FORMAT,
        "status": "finished",
        "version": arm.version.name,
        "digest": arm.version.digest,
        "split": arm.split_name,
        "split_digest": arm.split_digest,
        "seed": seed,
        "fold": arm.fold,
        "config": config.to_dict(),
        "classes": list(arm.version.manifest.classes),
        "evaluation": [row.id for row in arm.evaluation],
        "n_training": len(arm.training),
        "n_originals": sum(row.is_original for row in arm.training),
        "nsd_tolerance": NSD_TOLERANCE,
        "nsd_tolerance_mm": NSD_TOLERANCE_MM,
        "pixel_mm": {row.id: size for row in arm.evaluation if (size := pixel_size(row.meta)) is not None},
        **more,
        "manifest": _relative(arm.version.manifest.path, folder.path),
        "software": versions_of_libraries(LIBRARIES),
    }
    write_atomically(folder.record_file, json.dumps(record, indent=1).encode() + b"\n")
    return record


def _relative(path: Path, start: Path) -> str:


    return os.path.relpath(path, start)


def read_record(path: Path) -> dict[str, Any]:
    """``run.json`` of a finished run.

    Raises:
        CarpusError: it is missing or no such file.
    """
    file = RunFolder(Path(path)).record_file
    try:
        record = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise CarpusError(path, "is no finished run: it has no run.json") from None
    except (OSError, ValueError) as error:
        raise CarpusError(file, f"cannot be read: {error}") from None
    if not isinstance(record, dict) or "config" not in record or "classes" not in record:
        raise CarpusError(file, "does not say which config and classes the run had")
    return record


def save_model(path: Path, network: Any, config: Config, classes: Sequence[str], step: int) -> None:
    """Write weights with all that is needed to use them: plain data and tensors, loadable without running code."""


    import torch

    # clone: on the way out of torch.compile or an average, a tensor may share a larger storage
    state = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    made = {"format": FORMAT, "config": config.to_dict(), "classes": list(classes), "step": step, "state": state}
    buffer = io.BytesIO()
    torch.save(made, buffer)
    write_atomically(path, buffer.getvalue())


def load_model(path: Path, classes: Sequence[str] | None = None) -> tuple[Any, Config, tuple[str, ...]]:
    """The network of a finished run, ready to predict.

    Args:
        path: a run folder or its ``model.pt``.
        classes: refuse weights for any other list of classes.

    Returns:
        network in evaluation mode on the CPU, its configuration and its classes.

    Raises:
        UsageError: damaged, not a model of ours, pickled code inside, or for other classes.
    """
    from train.models.encoders import read_safely
    from train.models.zoo import build

    path = RunFolder(Path(path)).model if Path(path).is_dir() else Path(path)
    made = read_safely(path)
    wanted = {"format", "config", "classes", "state"}
    if not isinstance(made, dict) or not wanted <= set(made):
        raise UsageError(path, "is no model of this package")
    if made["format"] != FORMAT:
        raise UsageError(path, f"is of format {made['format']}, this package reads {FORMAT}")
    if classes is not None and list(classes) != made["classes"]:
        odd = sorted(set(classes) ^ set(made["classes"])) or ["the order"]
        raise UsageError(path, f"was trained on another list of classes; they differ in {', '.join(odd[:5])}")
    config = from_dict(made["config"], where=str(path))
    network = build(config, len(made["classes"]))
    try:
        network.load_state_dict(made["state"])
    except RuntimeError as error:
        raise UsageError(path, f"does not fit its own network: {str(error).splitlines()[-1].strip()}") from error
    return network.eval(), config, tuple(made["classes"])
