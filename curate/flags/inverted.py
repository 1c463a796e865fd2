"""``inverted``: bone dark on a bright film."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding


def look(film: Film) -> Finding:
    """The heads' probability that the grey scale is upside down."""
    chance = film.seen.chance("inverted")
    why = (
        "Bone is darker than the empty film around it."
        if chance >= 0.5
        else "Bone is brighter than the empty film around it."
    )
    return Finding(chance, why)


DETECTOR = FilmDetector("inverted", 5, 0.5, PIXELS, look, dear=True)
