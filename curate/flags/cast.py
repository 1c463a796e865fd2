"""``cast``: a cast or splint round the limb."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import looker

look = looker(
    "cast",
    "A layer denser than flesh lies round the limb, {width} x {height} px where it is surest: a cast or splint.",
    "No cast or splint was seen.",
)

DETECTOR = FilmDetector("cast", 5, 0.5, PIXELS, look, dear=True)
