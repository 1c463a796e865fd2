"""``not-a-hand``: an elbow, a chest, a foot among the hands."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.perception import sigmoid
from curate.flags.result import Finding
from curate.flags.thing import verdict

HALF = 1.85
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""


def look(film: Film) -> Finding:
    """The judgement of the whole film."""
    seen = film.seen
    score = float(sigmoid(verdict("not-a-hand", film) - HALF))
    if score < 0.5:
        return Finding(score, "A hand is there.")
    share = 100 * float(seen.hand.mean())
    return Finding(score, f"No whole hand is there: what looks like a hand covers {share:.0f}% of the film.")


DETECTOR = FilmDetector("not-a-hand", 1, 0.5, PIXELS, look, dear=True)
