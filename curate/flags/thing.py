"""What the detectors that ask the shared heads have in common: a logit and its threshold as a score with a place."""

from __future__ import annotations

from collections.abc import Callable

from curate.flags.arrays import load_weights
from curate.flags.film import Film
from curate.flags.perception import sigmoid
from curate.flags.result import Finding

BELOW = 3.5
"""What a patch's weakest cell may be under its strongest, in logits, to belong to the box shown."""


def half(name: str) -> float:
    """The logit at which a flag's score is 0.5; stored with the heads, set for a stated rate of false alarms."""
    return load_weights("heads.npz")[1]["half"][name]


def looker(name: str, present: str, absent: str) -> Callable[[Film], Finding]:
    """A ``look`` for one thing that the head of cells marks.

    Args:
        present, absent: sentences; ``present`` may name ``{width}`` and ``{height}`` of the box in pixels.
    """

    def look(film: Film) -> Finding:
        seen = film.seen
        score = float(sigmoid(seen.logit(name) - half(name)))
        if score < 0.5:
            return Finding(score, absent)
        box = seen.box(name, BELOW)
        return Finding(score, present.format(width=round(box[2] - box[0]), height=round(box[3] - box[1])), box)

    return look


def whole_score(name: str, film: Film) -> float:
    """The score of a statement about the film as a whole."""
    return float(sigmoid(film.seen.logit(name) - half(name)))
