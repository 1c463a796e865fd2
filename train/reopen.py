"""A finished run together with the data it was trained on, for whatever looks at it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from curate.errors import UsageError
from curate.manifest.row import SampleRow
from curate.manifest.store import Manifest, Version
from curate.sample.read import SampleReader
from train import accelerator
from train.config import Config
from train.data.feed import open_store
from train.data.prepare import prepare
from train.data.store import DigestStore
from train.runs import load_model, read_record


@dataclass(eq=False)
class OpenRun:
    """A run, its network on the device, and its version.

    Attributes:
        path: the run folder. record: ``run.json``. network, config, classes: as trained.
        version: of the manifest. reader: of its samples. store: of its films as it sees them.
    """

    path: Path
    record: dict[str, Any]
    network: nn.Module
    config: Config
    classes: tuple[str, ...]
    version: Version
    reader: SampleReader
    store: DigestStore

    def films(self, split: str = "validation") -> tuple[SampleRow, ...]:
        """The films that the run was evaluated on, or the labelled originals of the frozen test split.

        Raises:
            UsageError: there are none, or they are not the ones that were scored.
        """
        if split == "validation":
            missing = [name for name in self.record["evaluation"] if name not in self.version.by_id]
            if missing:
                raise UsageError(self.path, f"its evaluation film {missing[0]} is not in {self.version.name}")
            rows = tuple(self.version.by_id[name] for name in self.record["evaluation"])
            if not rows:
                raise UsageError(self.path, "was scored on no film")
        else:
            rows = tuple(r for r in self.version.samples if r.evaluable and r.split == "test")
            if not rows:
                raise UsageError(self.version.name, "has no labelled test films; curate split --test makes some")
        prepare(self.version, rows, self.store, limit=int(self.config.cache_gb * 2**30))
        return rows


def find_version(path: Path, record: Mapping[str, Any], manifest: Path | None = None) -> Version:
    """The version that a run was trained on; arguments and errors as for :func:`open_run`."""
    for key in ("version", "digest", "evaluation"):
        if key not in record:
            raise UsageError(path, f"its run.json does not name its {key}: it cannot be opened again")
    found = Manifest.open(manifest or os.path.normpath(path / record.get("manifest", "")))
    version = found.version(record["version"])
    if version.digest != record["digest"]:
        raise UsageError(path, f"was trained on another {version.name} than the one in {found.path}")
    return version


def open_run(path: Path, manifest: Path | None = None, on: torch.device | None = None) -> OpenRun:
    """Open a finished run.

    Args:
        path: its folder. manifest: where the data set is, when not where ``run.json`` says.

    Raises:
        CarpusError: not a finished run, or its version is not there or another one.
    """
    path = Path(path)
    record = read_record(path)
    version = find_version(path, record, manifest)
    network, config, classes = load_model(path, version.classes)
    folder = next((p for p in path.resolve().parents if (p / "cache").is_dir()), path.resolve().parents[2])
    store = open_store(folder / "cache", config, classes)
    network = network.to(on or accelerator.device())
    return OpenRun(path, record, network, config, classes, version, SampleReader(version), store)
