"""Flags: what detectors say of films. One file a detector, registered by one line in ``registry``.

from curate.flags import films_from_folder, run_detectors

for entry in run_detectors(films_from_folder("films"), ["jewellery", "rotation"]):
    print(entry.image, entry.flagged, entry.measures["fingers_deg"])
"""

from __future__ import annotations

from curate.flags.detector import Detector, FilmDetector, SetDetector
from curate.flags.film import Film
from curate.flags.registry import DETECTORS, FLAGS, NAMES
from curate.flags.result import FilmFlags, Finding, Flag
from curate.flags.run import run_detectors
from curate.flags.sources import films_from_folder, films_from_version

__all__ = [
    "DETECTORS",
    "FLAGS",
    "NAMES",
    "Detector",
    "Film",
    "FilmDetector",
    "FilmFlags",
    "Finding",
    "Flag",
    "SetDetector",
    "films_from_folder",
    "films_from_version",
    "run_detectors",
]
