"""``implant``: plates, screws, wires, pins."""

from __future__ import annotations

from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.thing import metal_looker

HALF = 0.8
"""Logit at which the score is 0.5: see docs/flags.md for the false-alarm rate that it was set for."""

look = metal_looker(
    "implant",
    HALF,
    "Metal in the bone: a bright, straight-edged shape of {width} x {height} px along or across it.",
    "No plate, screw, wire or pin was seen.",
)

DETECTOR = FilmDetector("implant", 1, 0.5, PIXELS, look, dear=True)
