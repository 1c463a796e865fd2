"""``jewellery``: rings, bangles, bracelets, watches, beads."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import looker

look = looker(
    "jewellery",
    "Metal worn on the hand or arm: a bright, smooth-edged shape of {width} x {height} px across the limb.",
    "No ring, bangle, bracelet or watch was seen.",
)

DETECTOR = FilmDetector("jewellery", 5, 0.5, PIXELS, look, dear=True)
