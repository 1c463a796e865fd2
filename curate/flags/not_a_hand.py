"""``not-a-hand``: an elbow, a chest, a foot among the hands."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.flags.thing import whole_score


def look(film: Film) -> Finding:
    """The judgement of the whole film."""
    score = whole_score("not-a-hand", film)
    if score < 0.5:
        return Finding(score, "A hand is there.")
    share = 100 * float(film.seen.hand.mean())
    return Finding(score, f"No whole hand is there: what looks like a hand covers {share:.0f}% of the film.")


DETECTOR = FilmDetector("not-a-hand", 5, 0.5, PIXELS, look, dear=True)
