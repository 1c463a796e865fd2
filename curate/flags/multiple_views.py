"""``multiple-views``: two views, or two hands, on one film."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.perception import sigmoid
from curate.flags.result import Finding
from curate.flags.thing import verdict

HALF = -1.55
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""


def look(film: Film) -> Finding:
    """The judgement of the whole film."""
    score = float(sigmoid(verdict("multiple-views", film) - HALF))
    said = "Two views or two hands lie on this film." if score >= 0.5 else "One view lies on this film."
    return Finding(score, said)


DETECTOR = FilmDetector("multiple-views", 1, 0.5, PIXELS, look, dear=True)
