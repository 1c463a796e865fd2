"""Patches at the films' own size: which part of which film comes with a draw, from the seed and the draw alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from curate.manifest.row import SampleRow
from curate.sample.read import FilmCache
from curate.sample.recipe import Recipe
from curate.sample.warp import Film
from train.data.draws import Augmenter
from train.data.natives import NativeFilm, NativeStore
from train.data.windows import render_window

_PARENTS_MB = 256  # of decoded parents and their shrunk copies, a loader process


def class_shares(class_weights: Mapping[str, float], classes: Sequence[str]) -> np.ndarray:
    """How often a patch is centred on each class, before those that a film lacks are left out: float64 (classes,)."""
    return np.array([float(class_weights.get(name, 1.0)) for name in classes])


def patch_corner(
    film: NativeFilm, side: int, foreground: float, shares: np.ndarray, rng: np.random.Generator
) -> tuple[int, int]:
    """Where a patch begins.

    With probability ``foreground`` its centre is a pixel of a bone: first the class is drawn by ``shares`` among those
    of the film, so that a Pisiform is met as often as a Radius, then a pixel spread over it. Otherwise the centre lies
    anywhere. A patch that would leave the film is moved into it.

    Args:
        film: whose. side: pixels. shares: float (classes,). rng: is drawn from.

    Returns:
        (x, y) of the first pixel.
    """
    width, height = film.size
    anywhere, u = rng.random(2), rng.random(3)  # always as many draws, so that one film does not shift the next
    centre = np.array([int(anywhere[0] * width), int(anywhere[1] * height)])
    classes, first, count = np.unique(film.centres[:, 0], return_index=True, return_counts=True)
    share = shares[classes]
    if u[0] < foreground and share.sum() > 0:
        k = int(np.searchsorted(np.cumsum(share) / share.sum(), u[1], side="right").clip(0, len(classes) - 1))
        centre = film.centres[first[k] + int(u[2] * count[k]), 1:]
    x, y = np.clip(centre - side // 2, 0, np.maximum(np.array([width, height]) - side, 0)).tolist()
    return x, y


class Patches(Dataset):
    """Patches of samples in the store; indexed by (sample, draw), or by a number that is both.

    Args:
        rows: labelled samples. known: every sample that children descend from, by id.
        foreground, shares: as in :func:`patch_corner`.
        seed: of the run. augmenter: moves a patch and its labels alike.
    """

    def __init__(
        self,
        rows: Sequence[SampleRow],
        store: NativeStore,
        known: Mapping[str, SampleRow],
        foreground: float,
        shares: np.ndarray,
        seed: int = 0,
        augmenter: Augmenter | None = None,
    ):
        self.rows, self.store = list(rows), store
        self.digests = {name: known[name].digest for row in rows for name in row.parents}
        self.side, self.foreground, self.shares = store.patch, foreground, shares
        self.seed, self.augmenter = seed, augmenter
        self._parents = FilmCache(_PARENTS_MB << 20)

    def __len__(self) -> int:
        return len(self.rows)

    def _parent(self, name: str) -> Film:
        film = self._parents.get(name)
        if film is None:
            stored = self.store.get(self.digests[name])
            film = Film(stored.image, stored.background)
            self._parents.put(name, film)
        return film

    def __getitem__(self, key: tuple[int, int] | int) -> dict[str, Any]:
        index, draw = key if isinstance(key, tuple) else (key, key)
        row = self.rows[index]
        film = self.store.get(row.digest)
        rng = np.random.default_rng((self.seed, 2, draw))
        x, y = patch_corner(film, self.side, self.foreground, self.shares, rng)
        planes = film.planes(x, y, self.side)
        if film.image is not None:
            image = film.pixels(x, y, self.side)
        else:
            image = render_window(Recipe.from_dict(row.recipe), self._parent, x, y, self.side, film.background)
        if self.augmenter is not None:
            image, planes = self.augmenter(image, planes, int(rng.integers(2**31)))
        return {"id": row.id, "image": image, "planes": planes, "weights": film.weights}
