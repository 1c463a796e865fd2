"""Which sample comes when, and how it comes: deterministic whatever the number of loader processes or resumes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from curate.manifest.row import SampleRow
from train.data.films import FilmStore
from train.data.planes import to_tensor

#: Takes image uint8 (h, w), planes (p, h, w) and a seed; gives both back, moved alike.
Augmenter = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class DrawSampler(Sampler[tuple[int, int]]):
    """The endless sequence of draws that a run trains on, cut into looks of equal length.

    Draw number g is item ``g % n`` of the ``g // n``-th permutation, and both follow from the seed alone. So a run
    that is resumed, or spread over more processes, sees what an undisturbed one sees.

    Args:
        n: samples. draws: of all processes together in one look. seed: of the run.
        world: processes that share the draws; which of them this is, torch.distributed knows.
    """

    def __init__(self, n: int, draws: int, seed: int, world: int = 1):
        self.n, self.draws, self.seed, self.world = n, draws, seed, world
        self.look = 0
        self._known: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def set_epoch(self, epoch: int) -> None:
        """Lightning says which look comes next."""
        self.look = epoch

    def __len__(self) -> int:
        return self.draws // self.world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        first, rank = self.look * self.draws, 0
        if self.world > 1:
            rank = torch.distributed.get_rank()
        for draw in range(first + rank, first + self.draws, self.world):
            turn, place = divmod(draw, self.n)
            if self._known[0] != turn:
                self._known = turn, np.random.default_rng((self.seed, turn)).permutation(self.n)
            yield int(self._known[1][place]), draw


class Films(Dataset):
    """Samples from the store; indexed by (sample, draw), the draw seeding the online augmentation."""

    def __init__(
        self, rows: Sequence[SampleRow], store: FilmStore, seed: int = 0, augmenter: Augmenter | None = None
    ):
        self.digests, self.ids = [row.digest for row in rows], [row.id for row in rows]
        self.store, self.seed, self.augmenter = store, seed, augmenter

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: tuple[int, int] | int) -> dict[str, Any]:
        index, draw = key if isinstance(key, tuple) else (key, 0)
        film = self.store.get(self.digests[index])
        image, planes = film.image, film.planes
        if self.augmenter is not None:
            seed = int(np.random.default_rng((self.seed, 1, draw)).integers(2**31))
            image, planes = self.augmenter(image, planes, seed)
        return {"id": self.ids[index], "image": image, "planes": planes, "weights": film.weights}


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch: ids, image uint8 (b, 1, h, w), planes int (b, p, h, w), weights float (b, p) or None where all are 1."""
    images = torch.from_numpy(np.stack([item["image"] for item in items])[:, None])
    deepest = max(len(item["planes"]) for item in items)
    plain = deepest == 1 and all(item["weights"][0] == 1 for item in items)
    planes = np.zeros((len(items), deepest, *images.shape[2:]), items[0]["planes"].dtype)
    weights = np.zeros((len(items), deepest), np.float32)
    for k, item in enumerate(items):
        planes[k, : len(item["planes"])] = item["planes"]
        weights[k, : len(item["weights"])] = item["weights"]
    ids = [item["id"] for item in items]
    return {
        "ids": ids,
        "image": images,
        "planes": to_tensor(planes),
        "weights": None if plain else torch.from_numpy(weights),
    }


def loader_workers(asked: int) -> int:
    """Loader processes: as asked, or by the machine: none on small ones, where they would take the network's cores."""
    if asked >= 0:
        return asked
    cores = os.cpu_count() or 1
    return 0 if cores <= 4 else min(8, cores // 2)


def _start_worker(number: int) -> None:
    """One thread a loader process; ours, because Lightning's own would import torchvision before it is repaired."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def make_loader(data: Films, sampler: Sampler | None, batch: int, workers: int, pin: bool) -> DataLoader:
    """Batches of ``data`` in the order of ``sampler``; the last may be smaller."""
    return DataLoader(
        data,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # its own, so that starting a loader draws nothing from the network's
    )
