"""Films as a review page shows them: small ones made on demand and kept up to a bound, whole ones, and outlines."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from curate.errors import CarpusError
from curate.manifest import Version
from curate.sample.annotation import Annotation
from curate.sample.image import encode_png
from curate.sample.read import SampleReader

THUMB = 320
"""Longer edge of a small picture, pixels: sharp on a screen of twice the density."""

FULL = 4096
"""Longer edge from which on a whole film is shrunk before it is sent."""

TOLERANCE = 0.25
"""Outlines are thinned by at most this much, in film pixels, before they are sent."""


class Pictures:
    """Encoded pictures of a version's films; safe to ask from several threads.

    Args:
        version: whose films. kept_mb: small pictures are kept up to this many MiB. films_mb: decoded films likewise.
    """

    def __init__(self, version: Version, kept_mb: int = 64, films_mb: int = 64):
        self._version = version
        self._films_mb = films_mb
        self._reader = SampleReader(version, cache_mb=films_mb)
        self._asked = 0
        self._lock = threading.Lock()  # the reader's cache is one thread's affair
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bound, self._size = kept_mb << 20, 0

    def thumb(self, sample: str) -> bytes:
        """A JPEG of a film, at most ``THUMB`` pixels long.

        Raises:
            CarpusError: the film cannot be read, or is not the one that the manifest names.
        """
        with self._lock:
            data = self._kept.get(sample)
            if data is not None:
                self._kept.move_to_end(sample)
                return data
            data = small_picture(self._reader, self._version, sample, THUMB, ".jpg", (cv2.IMWRITE_JPEG_QUALITY, 82))
            self._kept[sample] = data
            self._size += len(data)
            while self._size > self._bound and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
            return data

    def full(self, sample: str) -> bytes:
        """A PNG of a film at its own size, or ``FULL`` pixels long if it is larger; raises ``CarpusError``."""
        with self._lock:
            gray = self._reader.image(sample, min(1.0, FULL / max(_size(self._version, sample))))
        return encode_png(np.ascontiguousarray(gray))

    def outlines(self, sample: str, coarse: bool = False) -> list[dict[str, Any]]:
        """The film's labels as ``{label, path, at}``: paths in SVG's words and the film's own pixels, and a point
        inside for the name.

        Args:
            coarse: as a small picture shows them.

        Raises:
            CarpusError: the labels cannot be read.
        """
        with self._lock:
            if self._asked >= 256:  # the reader keeps every label it reads; a long day must not fill the memory
                self._reader, self._asked = SampleReader(self._version, cache_mb=self._films_mb), 0
            self._asked += 1
            annotations = self._reader.annotations(sample)
        tolerance, places = (max(_size(self._version, sample)) / THUMB, 0) if coarse else (TOLERANCE, 1)
        inside = [max(a.parts, key=lambda part: part.area).representative_point() for a in annotations]
        return [
            {"label": a.label, "path": svg_path(a, tolerance, places), "at": [round(p.x, 1), round(p.y, 1)]}
            for a, p in zip(annotations, inside, strict=True)
        ]


def _size(version: Version, sample: str) -> tuple[int, int]:
    row = version.by_id[sample]
    return row.width, row.height


def small_picture(
    reader: SampleReader, version: Version, sample: str, edge: int, kind: str, quality: Sequence[int]
) -> bytes:
    """A film at most ``edge`` pixels long, encoded.

    Args:
        kind: ".jpg" or ".webp". quality: of OpenCV's encoder.

    Raises:
        CarpusError: the film cannot be read or encoded.
    """
    gray = reader.image(sample, min(1.0, edge / max(_size(version, sample))))
    fine, data = cv2.imencode(kind, gray, list(quality))
    if not fine:
        raise CarpusError(sample, "could not be encoded for the page")
    return data.tobytes()


def svg_path(annotation: Annotation, tolerance: float, places: int = 1) -> str:
    """An annotation as an SVG path, holes included (fill rule evenodd), thinned by at most ``tolerance`` film pixels.

    Args:
        places: decimals.
    """
    shape = annotation.geometry.simplify(tolerance)
    words = []
    for part in getattr(shape, "geoms", (shape,)):
        for ring in (part.exterior, *part.interiors):
            points = " ".join(f"{x:.{places}f},{y:.{places}f}" for x, y in ring.coords[:-1])
            words.append(f"M{points}Z")
    return "".join(words)
