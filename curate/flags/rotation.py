"""``rotation``: the fingers do not point up. From the labels where there are labels, else from the picture."""

from __future__ import annotations

from curate.anatomy import fingers_deg
from curate.errors import LabelError
from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.flags.thing import whole_score

NO_HAND = 0.95
"""Score of ``not-a-hand`` from which on a film is not asked where its fingers point."""

HALF = 25.0
"""Degrees off up at which the score is 0.5. Hands laid down freely lean less (2 of 3 films of a set: under 10)."""


def score(degrees: float) -> float:
    """0 for up, 0.5 at ``HALF``, 0.88 for down."""
    off = min(degrees % 360, -degrees % 360)
    return off / (off + HALF)


def look(film: Film) -> Finding:
    """Direction of the fingers against up; ``measures.fingers_deg`` is ``None`` where no hand was found."""
    degrees, source = None, "labels"
    if film.labelled:
        try:
            degrees = fingers_deg(film.annotations)
        except LabelError:
            degrees = None
    if degrees is None:
        source = "picture"
        degrees = None if whole_score("not-a-hand", film) >= NO_HAND else film.seen.fingers_deg
    if degrees is None:
        return Finding(0.0, "No hand was found whose fingers could point anywhere.", None, {"fingers_deg": None})
    degrees = round(degrees, 1) % 360
    why = f"The fingers point {degrees:.0f} degrees clockwise from up, by the {source}."
    return Finding(score(degrees), why, None, {"fingers_deg": degrees})


DETECTOR = FilmDetector("rotation", 5, 0.5, PIXELS, look, dear=True)
