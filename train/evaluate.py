"""Score a network on a fold's films: logits at training size, back to each film's own size, against its labels."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from curate.errors import UsageError
from curate.files import write_atomically
from curate.manifest.row import SampleRow
from curate.sample.image import background_level
from curate.sample.raster import label_plane
from curate.sample.read import SampleReader
from train import accelerator
from train.data.films import FilmStore, training_scale
from train.data.natives import NativeStore
from train.predict.views import views_of
from train.predict.windows import bands
from train.scores import ScoreRow, pixel_size, rows_of, score_planes
from train.upscale import plane_of_logits

_TINY = 1e-6
_ON_GPU = 8  # windows at once


def windows_at_once(device: torch.device) -> int:
    """How many windows a network is shown together: on a CPU one, which costs the least memory and no time."""
    return 1 if device.type == "cpu" else _ON_GPU


def logits_of(network: nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Logits of films at training size.

    Args:
        images: uint8 (b, h, w).

    Returns:
        float32 (b, classes, h, w).
    """
    return ask(network, images, device)


def ask(network: nn.Module, images: np.ndarray, device: torch.device, probabilities: bool = False) -> np.ndarray:
    """What a network answers, as logits or as probabilities; half at a time where all do not fit the GPU at once.

    Args:
        images: uint8 (b, h, w).

    Returns:
        float32 (b, classes, h, w).

    Raises:
        UsageError: not even one picture of this size fits the GPU; or they are too small for the network.
    """
    try:
        with torch.inference_mode():
            stack = torch.from_numpy(np.array(images[:, None])).to(device).float()
            found = network(stack).float()
            return (found.sigmoid_() if probabilities else found).cpu().numpy()
    except (RuntimeError, ValueError) as error:
        if accelerator.is_lone(error):
            height, width = images.shape[1:]
            raise UsageError("predict", f"{width} x {height} pixels are too few for this network") from error
        if device.type == "cpu" or not accelerator.is_short(error):
            raise
        traceback.clear_frames(error.__traceback__)
    accelerator.release()
    if len(images) == 1:
        height, width = images.shape[1:]
        told = f"{width} x {height} pixels at once do not fit the GPU; a smaller --size, or --window, may"
        raise UsageError("predict", told)
    half = len(images) // 2
    return np.concatenate([ask(network, part, device, probabilities) for part in (images[:half], images[half:])])


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of one film.

    Attributes:
        row: the film. plane: unsigned (height, width), at native size.
        logits: float32 (classes, h, w), at training size; at native size for a network trained on patches.
        scale: training pixels per native pixel.
    """

    row: SampleRow
    plane: np.ndarray
    logits: np.ndarray
    scale: float


def predict_films(
    network: nn.Module, rows: Sequence[SampleRow], store: FilmStore | NativeStore, thresholds: float | Sequence[float]
) -> Iterator[Prediction]:
    """Predict stored films one after another, on the device where the network is.

    Whole at training size, or by sliding windows of the size that the network was trained on, at the films' own size.
    """
    device = next(network.parameters()).device
    network.eval()
    for row in rows:
        if isinstance(store, NativeStore):
            logits = _by_windows(network, store.get(row.digest).image, store, device)
            yield Prediction(row, plane_of_logits(logits, 1.0, (row.width, row.height), thresholds), logits, 1.0)
            continue
        scale = training_scale(row.width, row.height, store.size)
        width, height = round(row.width * scale), round(row.height * scale)
        image = store.get(row.digest).image
        logits = logits_of(network, image[None], device)[0][:, :height, :width]
        yield Prediction(row, plane_of_logits(logits, scale, (row.width, row.height), thresholds), logits, scale)


def _by_windows(network: nn.Module, image: np.ndarray, store: NativeStore, device: torch.device) -> np.ndarray:
    """Logits of a film at its own size: float32 (classes, height, width)."""
    n, side = len(store.classes), store.patch
    logits = np.empty((n, *image.shape), np.float32)
    done = 0
    background = background_level(image)
    run = partial(ask, network, device=device, probabilities=True)
    for band in bands(image, background, side, 0.5, views_of(()), run, n, windows_at_once(device)):
        p = np.clip(band, _TINY, 1 - _TINY)
        logits[:, done : done + band.shape[1]] = np.log(p / (1 - p))
        done += band.shape[1]
    return logits


def true_plane(reader: SampleReader, row: SampleRow, classes: Sequence[str]) -> np.ndarray:
    """A film's labels at native size, as the competition paints them."""
    return label_plane(reader.annotations(row.id), classes, (row.width, row.height), native=True)


def evaluate(
    network: nn.Module,
    rows: Sequence[SampleRow],
    store: FilmStore | NativeStore,
    reader: SampleReader,
    *,
    threshold: float | Sequence[float] = 0.5,
    keep: Path | None = None,
    keep_size: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> list[ScoreRow]:
    """Score a network at native size.

    Args:
        rows: labelled originals, all in ``store``.
        reader: gives their labels.
        threshold: probability from which a pixel belongs to a class; one, or one a class.
        keep: folder for the predicted planes, at most ``keep_size`` pixels long (0: native).
        progress: called with how many films are done.

    Returns:
        one row a film and class, films in the order given.
    """
    scored: list[ScoreRow] = []
    for done, found in enumerate(predict_films(network, rows, store, threshold), 1):
        row = found.row
        truth = true_plane(reader, row, store.classes)
        scores = score_planes(found.plane, truth, len(store.classes), pixel_mm=pixel_size(row.meta))
        scored += rows_of(row.id, row.group, store.classes, scores)
        if keep is not None:
            save_prediction(keep, found, threshold, keep_size)
        progress(done)
    return scored


def save_prediction(folder: Path, found: Prediction, threshold: float | Sequence[float], longest: int) -> None:
    """Keep a predicted plane for pictures: ``<id>.npz`` with ``plane``, unsigned (h, w), and ``scale``."""


    width, height = found.row.width, found.row.height
    scale = min(1.0, longest / max(width, height)) if longest else 1.0
    plane = found.plane
    if scale < 1.0:
        size = (round(width * scale), round(height * scale))
        plane = plane_of_logits(found.logits, found.scale / scale, size, threshold)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, plane=plane, scale=np.float64(scale))
    path = folder / f"{found.row.id}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
