"""``nail-art``: dense varnish, gems or false nails."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import looker

HALF = 0.0
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""

look = looker(
    "nail-art",
    HALF,
    "Dense spots at the ends of fingers, {width} x {height} px: nail art.",
    "No dense spots on the nails were seen.",
)

DETECTOR = FilmDetector("nail-art", 1, 0.5, PIXELS, look, dear=True)
