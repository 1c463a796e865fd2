"""``cast``: a cast or splint round the limb."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import looker

HALF = 0.0
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""

look = looker(
    "cast",
    HALF,
    "A rough layer denser than flesh surrounds the limb over {width} x {height} px: a cast or splint.",
    "No cast or splint was seen.",
)

DETECTOR = FilmDetector("cast", 1, 0.5, PIXELS, look, dear=True)
