"""``cast``: a cast or splint round the limb."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.perception import sigmoid
from curate.flags.result import Finding
from curate.flags.thing import verdict

HALF = 2.33
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""


def look(film: Film) -> Finding:
    """The judgement of the film as a whole; the place comes from the network's map."""
    score = float(sigmoid(verdict("cast", film) - HALF))
    if score < 0.5:
        return Finding(score, "No cast or splint was seen.")
    box = film.seen.box("cast", 0.5 * float(film.seen.layer("cast").max()))
    size = (0, 0) if box is None else (round(box[2] - box[0]), round(box[3] - box[1]))
    why = f"A rough layer denser than flesh surrounds the limb over {size[0]} x {size[1]} px: a cast or splint."
    return Finding(score, why, box)


DETECTOR = FilmDetector("cast", 1, 0.5, PIXELS, look, dear=True)
