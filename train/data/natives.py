"""Films at their own size on disk, from which patches are cut without reading the rest.

Beside the pixels lie the label planes as runs that begin anew in every row, so that the rows of a patch are found and
unfolded alone, and for each class some pixels that are spread over it, on which patches are centred. A child without
files keeps no pixels here where a patch of it can be rendered straight from its parents (:mod:`train.data.windows`).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curate.sample.annotation import Annotation
from curate.sample.raster import plane_dtype
from train.data.films import weighted_planes
from train.data.store import DigestStore

_MAGIC = b"carpusN1"
_HEAD = struct.Struct("<8s8I")  # magic, height, width, background, item size, planes, runs, centres, has pixels
_ALIGN = 8
CENTRES = 64
"""Pixels kept of each class, evenly spaced in the order of its pixels: enough that every part of a bone is met."""


@dataclass(frozen=True, eq=False)
class NativeFilm:
    """One sample at its own size; the pixels and runs stay in the mapped file.

    Attributes:
        image: uint8 (height, width), or ``None`` for a child that is rendered window by window.
        size: (width, height). background: grey level outside the film.
        centres: int32 (n, 3), a class and a pixel (x, y) of it, classes ascending.
        weights: float32 (p,), of the label planes.
    """

    image: np.ndarray | None
    size: tuple[int, int]
    background: int
    centres: np.ndarray
    weights: np.ndarray
    _rows: np.ndarray
    _lengths: np.ndarray
    _values: np.ndarray

    def planes(self, x: int, y: int, side: int) -> np.ndarray:
        """The label planes of a window: unsigned (p, side, side), 0 outside the film.

        Args:
            x, y: its first pixel, inside the film. side: pixels.
        """
        width, height = self.size
        last, right = min(y + side, height), min(x + side, width)
        out = np.zeros((len(self.weights), side, side), self._values.dtype)
        for k in range(len(self.weights)):
            low, high = self._rows[k * height + y], self._rows[k * height + last]
            whole = np.repeat(self._values[low:high], self._lengths[low:high]).reshape(last - y, width)
            out[k, : last - y, : right - x] = whole[:, x:right]
        return out

    def pixels(self, x: int, y: int, side: int) -> np.ndarray:
        """The pixels of a window of a film that has pixels: uint8 (side, side), the background outside the film."""
        seen = self.image[y : y + side, x : x + side]
        if seen.shape == (side, side):
            return np.array(seen)
        out = np.full((side, side), self.background, np.uint8)
        out[: seen.shape[0], : seen.shape[1]] = seen
        return out


def spread_centres(planes: np.ndarray, n_classes: int) -> np.ndarray:
    """Pixels spread over each class that is there.

    Args:
        planes: unsigned (p, h, w); a class counts where any plane has it.

    Returns:
        int32 (n, 3): class, x, y; at most :data:`CENTRES` a class.
    """
    union = np.bitwise_or.reduce(planes, axis=0)
    flat, width = union.ravel(), union.shape[1]
    held = np.flatnonzero(flat)
    bits = flat[held]
    found = []
    for k in range(n_classes):
        at = held[(bits >> union.dtype.type(k)) & union.dtype.type(1) != 0]
        if at.size:
            n = min(CENTRES, at.size)
            at = at[((np.arange(n) + 0.5) * at.size / n).astype(np.int64)]
            found.append(np.stack([np.full(n, k), at % width, at // width], 1))
    return np.concatenate(found).astype(np.int32) if found else np.zeros((0, 3), np.int32)


def pack_native(
    image: np.ndarray | None, size: tuple[int, int], background: int, planes: np.ndarray, weights: np.ndarray,
    n_classes: int,
) -> bytes:
    """A film as the bytes of its file; arguments as in :class:`NativeFilm`, ``planes`` unsigned (p, height, width)."""
    width, height = size
    lines = planes.reshape(-1, width)
    starts = np.ones(lines.shape, bool)
    starts[:, 1:] = lines[:, 1:] != lines[:, :-1]
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=lines.size).astype(np.uint32)
    values = lines.reshape(-1)[first]
    rows = np.concatenate([[0], np.cumsum(starts.sum(1))]).astype(np.uint32)
    centres = spread_centres(planes, n_classes)
    head = _HEAD.pack(
        _MAGIC, height, width, background, values.itemsize, len(planes), len(values), len(centres), image is not None
    )
    parts = [head, rows.tobytes(), lengths.tobytes(), centres.tobytes(), weights.astype(np.float32).tobytes()]
    parts.append(b"\0" * (-sum(map(len, parts)) % _ALIGN))
    parts.append(values.tobytes())
    if image is not None:
        parts.append(np.ascontiguousarray(image).tobytes())
    return b"".join(parts)


def unpack_native(data: bytes | mmap.mmap) -> NativeFilm:
    """A film from the bytes of its file; nothing is copied.

    Raises:
        ValueError: these are not the bytes of a film.
    """
    if len(data) < _HEAD.size:
        raise ValueError("too short")
    magic, height, width, background, item, n_planes, n_runs, n_centres, has_pixels = _HEAD.unpack_from(data)
    n_rows = n_planes * height + 1
    at = [_HEAD.size]
    for length in (4 * n_rows, 4 * n_runs, 12 * n_centres, 4 * n_planes):
        at.append(at[-1] + length)
    values_at = at[-1] + -at[-1] % _ALIGN
    image_at = values_at + n_runs * item
    if magic != _MAGIC or item not in (4, 8) or len(data) != image_at + (height * width if has_pixels else 0):
        raise ValueError("not a film")
    rows = np.frombuffer(data, np.uint32, n_rows, at[0])
    lengths = np.frombuffer(data, np.uint32, n_runs, at[1])
    if rows[-1] != n_runs or int(lengths.sum()) != n_planes * height * width:
        raise ValueError("not a film")
    image = np.frombuffer(data, np.uint8, height * width, image_at).reshape(height, width) if has_pixels else None
    return NativeFilm(
        image,
        (width, height),
        background,
        np.frombuffer(data, np.int32, 3 * n_centres, at[2]).reshape(-1, 3),
        np.frombuffer(data, np.float32, n_planes, at[3]),
        rows,
        lengths,
        np.frombuffer(data, plane_dtype(32 if item == 4 else 64), n_runs, values_at),
    )


class NativeStore(DigestStore):
    """A folder of films at their own size for one list of classes, keyed by the samples' digests.

    Args:
        folder: where to keep them. classes: names in the order of the bits.
        patch: pixels, the side of the patches that are trained on and predicted.
    """

    def __init__(self, folder: Path, classes: Sequence[str], patch: int):
        super().__init__(folder, "native", classes)
        self.patch = patch

    def put(
        self, digest: str, image: np.ndarray | None, size: tuple[int, int], background: int,
        annotations: Sequence[Annotation],
    ) -> None:
        """Store a film.

        Args:
            image: uint8 (height, width), or ``None``: windows of it are rendered when they are needed.
            size: (width, height). background: grey level outside the film. annotations: in its pixels.

        Raises:
            CarpusError: it cannot be written.
        """
        planes, weights = weighted_planes(annotations, self.classes, size, native=True)
        self.write(digest, pack_native(image, size, background, planes, weights, len(self.classes)))

    def get(self, digest: str) -> NativeFilm:
        """A stored film; nothing of it is read before it is needed.

        Raises:
            CarpusError: it is not there or damaged.
        """
        return self.read(digest, unpack_native)
