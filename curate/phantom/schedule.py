"""Which films carry which oddity: a plan that does not depend on how many films are written."""

from __future__ import annotations

import numpy as np

FLAGS = {
    "ring": "jewellery",
    "bangle": "jewellery",
    "plate": "implant",
    "k-wires": "implant",
    "nail-art": "nail-art",
    "rotated": "rotation",
    "bent-wrist": "bent-wrist",
    "bent-finger": "bent-finger",
    "over-exposed": "exposure",
    "under-exposed": "exposure",
    "inverted": "inverted",
    "label-swapped": "label-swapped",
    "label-missing": "label-missing",
    "label-shifted": "label-misplaced",
    "duplicate": "duplicate",
}
"""Each oddity and the flag a detector should raise for it."""

_BLOCK = 20
_EARLIEST_DUPLICATE = 3
"""A duplicate needs earlier films of other patients, so it is never dealt before the fourth odd film."""


def plan_oddities(seed: int, n: int, share: float) -> list[str | None]:
    """The oddity of each film, ``None`` for a plain one.

    Of every twenty films, ``share`` times twenty are odd, at random places; the kinds are dealt from shuffled decks,
    so that each comes once before any comes twice.

    Args:
        share: in [0, 1].

    Returns:
        n names; the plan for a smaller n is the beginning of the plan for a larger one.
    """
    plan: list[str | None] = []
    dealt = 0
    deck: list[str] = []
    for block in range(-(-n // _BLOCK)):
        count = round(share * _BLOCK * (block + 1)) - round(share * _BLOCK * block)
        odd = set(np.random.default_rng([seed, block, 0, 4]).permutation(_BLOCK)[:count].tolist())
        for place in range(_BLOCK):
            if place not in odd:
                plan.append(None)
                continue
            if not deck:
                deck = _shuffled(seed, dealt)
            plan.append(deck.pop(0))
            dealt += 1
    return plan[:n]


def duplicate_source(seed: int, film: int, plan: list[str | None]) -> int:
    """The earlier film, of another patient, that this film repeats: a plain one if there is any."""
    earlier = [k for k in range(film - film % 2) if plan[k] != "duplicate"]
    plain = [k for k in earlier if plan[k] is None]
    choice = plain or earlier
    return choice[int(np.random.default_rng([seed, film, 0, 7]).integers(len(choice)))]


def _shuffled(seed: int, dealt: int) -> list[str]:
    kinds = list(FLAGS)
    order = np.random.default_rng([seed, dealt // len(kinds), 0, 5]).permutation(len(kinds))
    deck = [kinds[k] for k in order]
    at = deck.index("duplicate")
    if dealt == 0 and at < _EARLIEST_DUPLICATE:
        deck[at], deck[_EARLIEST_DUPLICATE] = deck[_EARLIEST_DUPLICATE], deck[at]
    return deck
