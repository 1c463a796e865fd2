"""Where the films of a comparison come from: the manifest that ``run.json`` names, where it is still there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import CarpusError
from curate.manifest.row import SampleRow
from curate.manifest.store import Manifest, Version
from curate.sample.raster import label_plane
from curate.sample.read import SampleReader
from train.compare.arm import Arm


def manifest_of(arm: Arm) -> Path | None:
    """The manifest of an arm's runs, when they name one that is there; paths are relative to the run folder."""
    named = arm.record.get("manifest")
    if not isinstance(named, str) or not named:
        return None
    path = Path(os.path.normpath(arm.runs[0].path / named))
    return path if path.exists() else None


def open_version(arm: Arm) -> tuple[Version | None, str | None]:
    """The version an arm was trained on, or why it is not to be had.

    Returns:
        (version, None), or (None, one sentence); (None, None) for runs that name no manifest.
    """
    path, name = manifest_of(arm), arm.record.get("version")
    if not arm.record.get("manifest"):
        return None, None
    if path is None:
        return None, "the manifest that the runs name is not here: no films, lineage or subgroups"
    try:
        version = Manifest.find(path).version(str(name))
    except CarpusError as error:
        return None, f"no films, lineage or subgroups: {error}"
    if arm.record.get("digest") not in (None, version.digest):
        return None, f"{name} in {path} is not the version that was trained: no films, lineage or subgroups"
    return version, None


def lineage(version: Version) -> tuple[str, ...]:
    """The steps that made a version, oldest first: ``v1: ingest``, ``v3: mosaic n=800``."""
    told = []
    for one in reversed(version.chain()):
        step = dict(one.step)
        what = str(step.pop("operator", None) or step.pop("name", None) or step.pop("command", None) or "step")
        plain = [f"{k}={text}" for k, v in sorted(step.items()) if (text := _told(v))]
        told.append(f"{one.name}: {' '.join([what, *plain])} ({len(one)} samples)")
    return tuple(told)


def _told(value: Any) -> str:
    """A step's option in a word or some; empty for what is more than a list of words."""
    values = value if isinstance(value, list | tuple) else [value]
    return ",".join(str(v) for v in values) if all(isinstance(v, int | float | str | bool) for v in values) else ""


class FilmSource:
    """Pixels and labels of evaluation films, at any scale."""

    def __init__(self, version: Version):
        self._version = version
        self._reader = SampleReader(version, cache_mb=64)

    def row(self, image: str) -> SampleRow | None:
        """What the manifest says of a film; ``None`` when it has none of that id."""
        return self._version.by_id.get(image)

    def film(self, image: str, scale: float) -> np.ndarray:
        """Pixels, uint8 (h, w)."""
        return self._reader.image(image, scale)

    def truth(self, image: str, classes: Iterable[str], shape: tuple[int, int], scale: float) -> np.ndarray:
        """Labels as a plane of unsigned integers of a given shape (h, w)."""
        return label_plane(self._reader.annotations(image), list(classes), (shape[1], shape[0]), scale)
