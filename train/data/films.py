"""Films at training size on disk: decoded once, then mapped into memory by every loader process and every run.

A film's labels lie beside its pixels as runs of equal label planes. Drawing 29 polygons takes about 10 ms at 512
pixels; unfolding their runs takes 0.1 ms and a film's runs take about 30 kB, so each polygon is drawn exactly once.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curate.sample.annotation import Annotation
from curate.sample.image import background_level
from curate.sample.raster import label_plane, plane_dtype
from train.data.store import DigestStore

_MAGIC = b"carpusF1"
_HEAD = struct.Struct("<8s6I")  # magic, height, width, item size of a plane, planes, runs, bytes of padding


@dataclass(frozen=True, eq=False)
class TrainingFilm:
    """One sample as training sees it, on a square canvas whose upper left corner it fills.

    Attributes:
        image: uint8 (size, size).
        planes: unsigned (p, size, size), bit k set where class k is; one, or for a mixup child one a parent.
        weights: float32 (p,); the target is the sum of the planes, each times its weight.
    """

    image: np.ndarray
    planes: np.ndarray
    weights: np.ndarray


def training_scale(width: int, height: int, size: int) -> float:
    """Training pixels per native pixel: the longer side becomes ``size``."""
    return size / max(width, height)


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """A film (h, w) in the upper left corner of a (size, size) canvas of its own background level."""
    height, width = image.shape
    if (height, width) == (size, size):
        return image
    canvas = np.full((size, size), background_level(image), np.uint8)
    canvas[:height, :width] = image[:size, :size]
    return canvas


def weighted_planes(
    annotations: Sequence[Annotation], classes: Sequence[str], size: tuple[int, int], native: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Label planes of a sample and their weights.

    Annotations of full weight share one plane: their union is the target. Those of a mixup child weigh less, and
    each parent has a plane of its own, because there the target is a sum.

    Args:
        annotations: in training pixels. size: (width, height).
        native: paint integer originals as the competition does.

    Returns:
        unsigned (p, height, width) and float32 (p,), p at least 1.
    """
    parts: dict[tuple[float, str], list[Annotation]] = {}
    for annotation in annotations:
        parent = "" if annotation.weight == 1.0 else (annotation.source or "").partition("#")[0]
        parts.setdefault((annotation.weight, parent), []).append(annotation)
    parts = parts or {(1.0, ""): []}
    planes = np.stack([label_plane(part, classes, size, native=native) for part in parts.values()])
    return planes, np.array([weight for weight, _ in parts], np.float32)


def encode_runs(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and lengths of the runs of equal items, row-major over all planes."""
    flat = planes.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    return flat[starts], np.diff(starts, append=flat.size).astype(np.uint32)


def pack(film: TrainingFilm) -> bytes:
    """A film as the bytes of its file."""
    values, lengths = encode_runs(film.planes)
    height, width = film.image.shape
    padding = -(_HEAD.size + height * width) % 8
    head = _HEAD.pack(_MAGIC, height, width, values.dtype.itemsize, len(film.planes), len(values), padding)
    parts = [head, film.image.tobytes(), b"\0" * padding, values.tobytes(), lengths.tobytes(), film.weights.tobytes()]
    return b"".join(parts)


def unpack(data: bytes | mmap.mmap) -> TrainingFilm:
    """A film from the bytes of its file; the pixels stay where they are.

    Raises:
        ValueError: these are not the bytes of a film.
    """
    if len(data) < _HEAD.size:
        raise ValueError("too short")
    magic, height, width, item, n_planes, n_runs, padding = _HEAD.unpack_from(data)
    at = _HEAD.size + height * width + padding
    if magic != _MAGIC or item not in (4, 8) or len(data) != at + n_runs * (item + 4) + n_planes * 4:
        raise ValueError("not a film")
    image = np.frombuffer(data, np.uint8, height * width, _HEAD.size).reshape(height, width)
    values = np.frombuffer(data, plane_dtype(32 if item == 4 else 64), n_runs, at)
    lengths = np.frombuffer(data, np.uint32, n_runs, at + n_runs * item)
    weights = np.frombuffer(data, np.float32, n_planes, at + n_runs * (item + 4))
    planes = np.repeat(values, lengths)
    if planes.size != n_planes * height * width:
        raise ValueError("not a film")
    return TrainingFilm(image, planes.reshape(n_planes, height, width), weights)


class FilmStore(DigestStore):
    """A folder of films at one training size and for one list of classes, keyed by the samples' digests.

    Args:
        folder: where to keep them.
        size: pixels, the side of the canvas.
        classes: names in the order of the bits.
    """

    def __init__(self, folder: Path, size: int, classes: Sequence[str]):
        super().__init__(folder, str(size), classes)
        self.size = size

    def put(self, digest: str, image: np.ndarray, annotations: Sequence[Annotation]) -> None:
        """Store a film.

        Args:
            image: uint8 (h, w), its longer side ``size`` pixels. annotations: in its pixels.

        Raises:
            CarpusError: it cannot be written.
        """
        planes, weights = weighted_planes(annotations, self.classes, (self.size, self.size))
        self.write(digest, pack(TrainingFilm(letterbox(image, self.size), planes, weights)))

    def get(self, digest: str) -> TrainingFilm:
        """A stored film; its pixels are mapped, not read.

        Raises:
            CarpusError: it is not there or damaged.
        """
        return self.read(digest, unpack)


def trim(folder: Path, limit: int, keep: frozenset[Path] = frozenset()) -> int:
    """Delete the films used longest ago until a cache fits.

    Args:
        folder: of all stores. limit: bytes. keep: files that the coming run needs.

    Returns:
        bytes deleted.
    """
    files = [(path.stat().st_mtime, path.stat().st_size, path) for path in Path(folder).rglob("*.film")]
    total, freed = sum(size for _, size, _ in files), 0
    for _, size, path in sorted(files):
        if total - freed <= limit:
            break
        if path not in keep:
            path.unlink(missing_ok=True)
            freed += size
    return freed
