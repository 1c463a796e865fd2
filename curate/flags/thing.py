"""What the detectors of things on the hand share: a map, or judged patches, as a score with a place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from curate.flags.film import Film
from curate.flags.net import load_weights
from curate.flags.perception import sigmoid
from curate.flags.result import Box, Finding
from curate.flags.trees import logits


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


def metal_looker(name: str, half: float, present: str, absent: str) -> Callable[[Film], Finding]:
    """A ``look`` for one kind of metal: each bright patch of the film is judged by trees, and the likeliest one counts.

    Args: as for ``looker``.
    """

    def look(film: Film) -> Finding:
        found = film.bright
        if not found.patches:
            return Finding(0.0, absent)
        judged = logits(load_weights(f"{name}.npz")[0], found.table())
        best = int(np.argmax(judged))
        score = float(sigmoid(judged[best] - half))
        if score < 0.5:
            return Finding(score, absent)
        box: Box = tuple((v + 0.5) / found.scale - 0.5 for v in found.patches[best].box)
        return Finding(score, present.format(width=round(box[2] - box[0]), height=round(box[3] - box[1])), box)

    return look


def verdict(name: str, film: Film) -> float:
    """Logit of a statement about the whole film, judged by trees from ``Film.overview``."""
    return float(logits(load_weights(f"{name}.npz")[0], film.overview[None])[0])
