"""``implant``: plates, screws, wires, pins."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import looker

look = looker(
    "implant",
    "Metal in the bone: a bright, straight-edged shape, {width} x {height} px where it is surest.",
    "No plate, screw, wire or pin was seen.",
)

DETECTOR = FilmDetector("implant", 5, 0.5, PIXELS, look, dear=True)
