"""What a configuration trains on: whole films at training size, or patches at the films' own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import Dataset

from curate.manifest.row import SampleRow
from train.arms import Arm
from train.config import Config
from train.data.draws import Films
from train.data.films import FilmStore
from train.data.natives import NativeStore
from train.data.online import OnlineAugmenter
from train.data.patches import Patches, class_shares
from train.data.prepare import prepare
from train.progress import Reporter

INNER_PATCHES = 4
"""Patches of each inner film that a look is taken at; the same ones in every look."""


def open_store(cache: Path, config: Config, classes: Sequence[str]) -> FilmStore | NativeStore:
    """The store of a configuration's films.

    Args:
        cache: folder of all stores.
    """
    return NativeStore(cache, classes, config.patch) if config.patch else FilmStore(cache, config.size, classes)


def prepare_arm(arm: Arm, store: FilmStore | NativeStore, config: Config, reporter: Reporter) -> None:
    """Bring the arm's films to the size that they are trained at, those that are not there yet, and say so."""
    prepare_rows_of(arm, (*arm.training, *arm.inner, *arm.evaluation), store, config, reporter)


def prepare_rows_of(
    arm: Arm, rows: Sequence[SampleRow], store: FilmStore | NativeStore, config: Config, reporter: Reporter
) -> None:
    """The same for some of the arm's films."""
    missing = len({row.digest for row in rows if row.digest not in store})
    if missing:
        size = "their own size" if config.patch else f"{config.size} pixels"
        with reporter.task(f"{arm.version.name}, films to {size}", missing) as task:
            limit = int(config.cache_gb * 2**30)
            prepare(arm.version, rows, store, limit=limit, workers=os.cpu_count() or 1, progress=lambda n, _: task(n))


def training_set(arm: Arm, store: FilmStore | NativeStore, config: Config, seed: int) -> Dataset:
    """The arm's training samples, augmented online as the configuration says.

    Raises:
        UsageError: an online augmentation that cannot be applied.
    """
    side = config.patch or config.size
    augmenter = None if config.augment == "none" else OnlineAugmenter(config.augment, side)
    if isinstance(store, FilmStore):
        return Films(arm.training, store, seed, augmenter)
    return _patches(arm, arm.training, store, config, seed, augmenter)


def inner_set(arm: Arm, store: FilmStore | NativeStore, config: Config) -> Dataset:
    """The arm's inner films, or for patch training the same few patches of each, as they are."""
    if isinstance(store, FilmStore):
        return Films(arm.inner, store)
    rows = [row for row in arm.inner for _ in range(INNER_PATCHES)]
    return _patches(arm, rows, store, config, 0, None)


def _patches(
    arm: Arm, rows: Sequence[SampleRow], store: NativeStore, config: Config, seed: int,
    augmenter: OnlineAugmenter | None,
) -> Patches:
    shares = class_shares(config.class_weights, store.classes)
    return Patches(rows, store, arm.version.known, config.patch_foreground, shares, seed, augmenter)
