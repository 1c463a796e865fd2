"""What the detectors of things on the hand share: the network's map of one thing, as a score with a place."""

from __future__ import annotations

from collections.abc import Callable

from curate.flags.film import Film
from curate.flags.perception import sigmoid
from curate.flags.result import Finding


def looker(name: str, half: float, present: str, absent: str) -> Callable[[Film], Finding]:
    """A ``look`` for one layer of the network.

    Args:
        half: logit (mean of the strongest cells) at which the score is 0.5, set for the stated rate of false alarms.
        present, absent: sentences; ``present`` may name ``{width}`` and ``{height}`` of the box in pixels.
    """

    def look(film: Film) -> Finding:
        seen = film.seen
        score = float(sigmoid(seen.strongest(name) - half))
        if score < 0.5:
            return Finding(score, absent)
        box = seen.box(name, float(sigmoid(min(half, 0.0))))
        size = (0.0, 0.0) if box is None else (box[2] - box[0], box[3] - box[1])
        return Finding(score, present.format(width=round(size[0]), height=round(size[1])), box)

    return look
