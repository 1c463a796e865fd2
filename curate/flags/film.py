"""One film as the detectors see it: read once, decoded once, shared by all, and nothing raised but on purpose."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from curate.errors import CarpusError, ImageError
from curate.flags.grid import Grid, unpadded
from curate.flags.salvage import mended
from curate.sample.annotation import Annotation
from curate.sample.image import Header, Image, decode, read_bytes, read_header

if TYPE_CHECKING:
    from curate.flags.perception import Perception

SMALL = 512
"""Longest side of the copy that the classical detectors work on."""

MADE = frozenset({"data", "header", "picture", "gray", "small", "grid", "seen", "annotations"})
"""What a film keeps until it is closed."""


def shrunk(gray: np.ndarray, side: int) -> np.ndarray:
    """uint8 (h, w) area-averaged to at most ``side`` pixels along its longer edge; itself where it is no longer.

    Halved as often as that goes: OpenCV averages two by two ten times as fast as by a factor that is no whole number.
    """
    scale = side / max(gray.shape)
    if scale >= 1:
        return gray
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    while max(gray.shape) >= 2 * side and min(gray.shape) > 1:
        height, width = (n // 2 for n in gray.shape)
        gray = cv2.resize(gray[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


class Film:
    """A picture with all that is known of it; what is derived from its pixels is made on demand and kept until
    ``close``.

    Args:
        id: unique in the run. image: the path to show. path: the file; ``None`` for a sample without one.
        annotations: gives the labels, or raises ``CarpusError``; ``None`` where there are none.
        classes: the classes that a complete label has; () where unknown.
        side: "left", "right" or ``None``. digest: identity of file and labels; made from the file's bytes by default.
        refused: why the file must not be opened at all.
        pixels: gives the uint8 (h, w) picture of a sample that has no file.
    """

    def __init__(
        self,
        id: str,
        image: str,
        path: Path | None = None,
        *,
        annotations: Callable[[], Sequence[Annotation]] | None = None,
        classes: tuple[str, ...] = (),
        side: str | None = None,
        digest: str | None = None,
        refused: str | None = None,
        pixels: Callable[[], np.ndarray] | None = None,
    ):
        self.id, self.image, self.path = id, image, path
        self.classes, self.side, self.refused = classes, side, refused
        self._annotations, self._digest, self._pixels = annotations, digest, pixels
        self._n_bytes: int | None = None

    def __repr__(self) -> str:
        return f"Film({self.id!r})"

    def close(self) -> None:
        """Drop bytes and pixels; they are read again when asked for."""
        made = self.__dict__
        if not MADE.isdisjoint(made):
            for name in made.keys() & MADE:
                del made[name]

    @cached_property
    def digest(self) -> str:
        """What the answers hold for: changes when the file's bytes or the labels do."""
        if self._digest is not None:
            return self._digest
        try:
            return "sha256:" + hashlib.sha256(self.data).hexdigest()
        except ImageError as error:
            return "none:" + hashlib.sha256(error.detail.encode()).hexdigest()

    @cached_property
    def data(self) -> bytes:
        """The file's bytes; raises ``ImageError``."""
        if self.refused is not None or self.path is None:
            raise ImageError(self.image, self.refused or "has no file")
        data = read_bytes(self.path)
        self._n_bytes = len(data)
        return data

    @property
    def has_file(self) -> bool:
        return self.path is not None or self.refused is not None

    @property
    def n_bytes(self) -> int:
        """Size of the file, as it was when it was read; 0 where there is none to open."""
        if self._n_bytes is None and self.path is not None and self.refused is None:
            with suppress(OSError):
                self._n_bytes = os.stat(self.path).st_size
        return self._n_bytes or 0

    @cached_property
    def header(self) -> Header:
        """Facts about the file without decoding it; raises ``ImageError``."""
        return read_header(self.data, self.path)

    @cached_property
    def picture(self) -> Image:
        """The decoded file, what there is of it if it is truncated; raises ``ImageError``."""
        try:
            return decode(self.data, self.path, allow_truncated=True, header=self.header)
        except ImageError:
            whole = mended(self.data, self.header.format) if self.header.truncated else None
            if whole is None:
                raise
            return decode(whole, self.path, allow_truncated=True)

    @cached_property
    def gray(self) -> np.ndarray:
        """uint8 (h, w); raises ``ImageError``."""
        return self._pixels() if self.path is None and self._pixels is not None else self.picture.gray

    @cached_property
    def small(self) -> np.ndarray:
        """uint8, the film at most ``SMALL`` pixels long, area-averaged."""
        return shrunk(self.gray, SMALL)

    @cached_property
    def grid(self) -> Grid:
        """Some of the film's grey values, evenly spaced; raises ``ImageError``."""
        return Grid(self.gray)

    @property
    def to_full(self) -> float:
        """Film pixels per pixel of ``small``."""
        return self.gray.shape[1] / self.small.shape[1]

    @cached_property
    def seen(self) -> Perception:
        """What the shared networks make of the film; raises ``ImageError``."""
        from curate.flags.perception import perceive  # here, so that a cheap run never loads the network

        rows, columns = unpadded(self.gray)
        return perceive(self.gray[rows, columns], corner=(columns.start or 0, rows.start or 0))

    @cached_property
    def fault(self) -> str | None:
        """Why the film's pixels cannot be had, or ``None``."""
        try:
            _ = self.gray
        except CarpusError as error:
            return error.detail
        return None

    @property
    def labelled(self) -> bool:
        return self._annotations is not None

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """The labels; raises ``CarpusError`` where they cannot be read."""
        return () if self._annotations is None else tuple(self._annotations())
