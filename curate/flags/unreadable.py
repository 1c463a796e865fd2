"""``unreadable``: the film's pixels cannot be had."""

from __future__ import annotations

from curate.flags.detector import FILE, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding


def look(film: Film) -> Finding:
    """Score 1 with the reader's own words where the film cannot be decoded, else 0."""
    if film.fault is not None:
        return Finding(1.0, f"The film cannot be read: it {film.fault.removeprefix('it ').rstrip('.')}.")
    return Finding(0.0, f"The film was read: {film.gray.shape[1]} x {film.gray.shape[0]} pixels.")


DETECTOR = FilmDetector("unreadable", 1, 0.5, FILE, look)
