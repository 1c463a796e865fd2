"""``jewellery``: rings, bangles, bracelets, watches, beads."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import metal_looker

HALF = 1.57
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""

look = metal_looker(
    "jewellery",
    HALF,
    "Metal worn on the hand or arm: a bright, smooth-edged shape of {width} x {height} px across the limb.",
    "No ring, bangle, bracelet or watch was seen.",
)

DETECTOR = FilmDetector("jewellery", 1, 0.5, PIXELS, look, dear=True)
