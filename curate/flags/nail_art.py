"""``nail-art``: dense varnish, gems or false nails."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import looker

look = looker(
    "nail-art",
    "Dense spots at the ends of fingers, {width} x {height} px where they are surest: nail art.",
    "No dense spots on the nails were seen.",
)

DETECTOR = FilmDetector("nail-art", 5, 0.5, PIXELS, look, dear=True)
