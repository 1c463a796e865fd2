"""``multiple-views``: two views, or two hands, on one film."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.flags.thing import whole_score


def look(film: Film) -> Finding:
    """The judgement of the whole film."""
    score = whole_score("multiple-views", film)
    said = "Two views or two hands lie on this film." if score >= 0.5 else "One view lies on this film."
    return Finding(score, said)


DETECTOR = FilmDetector("multiple-views", 5, 0.5, PIXELS, look, dear=True)
