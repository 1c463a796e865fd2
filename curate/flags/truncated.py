"""``truncated``: the end of the file, or of the picture in it, is missing."""

from __future__ import annotations

import numpy as np

from curate.errors import ImageError
from curate.flags.detector import FILE, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.sample.image import FAULTS, opened

FILLER_ROWS = 16
"""Decoders fill what is missing of a JPEG with one grey value; so many last rows of it, and the picture may be cut."""

LAST = 8
"""Bytes of pixels that are taken from a JPEG's end: of flat rows that it holds, less than a row of blocks."""


def _filler(gray: np.ndarray) -> int:
    """How many of the last rows hold one mid-grey value from edge to edge, as no film or border does."""
    level = int(gray[-1, -1])
    if not 100 <= level <= 156:
        return 0
    upwards = gray[::-1]
    for rows in range(0, len(gray), FILLER_ROWS):  # most films end at once
        same = (upwards[rows : rows + FILLER_ROWS] == level).all(axis=1)
        if not same.all():
            return rows + int(np.argmin(same))
    return len(gray)


def _padded(data: bytes, rows: int) -> bool:
    """Whether a JPEG holds its last ``rows`` itself: with its last bytes taken away, the rows before them stay as they
    are, as the bytes were of those ``rows``. Not told of progressive files, whose last bytes are of all rows."""
    end = data.rfind(b"\xff\xd9")
    shorter = data[: end - LAST].rstrip(b"\xff") + data[end:]
    try:
        return _above(data, rows) == _above(shorter, rows)
    except FAULTS:
        return False


def _above(data: bytes, rows: int) -> bytes:
    """A picture's grey values without its last rows; of what is broken, as Pillow fills it in, without a word."""
    with opened(data) as picture:
        return picture.convert("L").crop((0, 0, picture.width, picture.height - rows)).tobytes()


def look(film: Film) -> Finding | None:
    """Score 1 where the container ends early or fails a checksum, or the last rows are a decoder's filler."""
    try:
        header = film.header
    except ImageError:
        return None  # not a picture at all: that is another flag
    if header.truncated:
        return Finding(1.0, f"The {header.format} file {header.truncated}.")
    if film.fault is None and header.format == "JPEG":
        rows = _filler(film.gray)
        if FILLER_ROWS <= rows < len(film.gray) and not _padded(film.data, rows):
            height, width = film.gray.shape
            box = (-0.5, height - rows - 0.5, width - 0.5, height - 0.5)
            return Finding(0.9, f"The last {rows} rows hold nothing but a decoder's grey.", box)
    return Finding(0.0, f"The {header.format} file is complete.")


DETECTOR = FilmDetector("truncated", 2, 0.5, FILE, look)
