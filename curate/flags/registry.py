"""The detectors there are, in the order in which flags are listed. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from curate.errors import UsageError
from curate.flags import (
    bent_finger,
    bent_wrist,
    cast,
    duplicate,
    exposure,
    format,
    implant,
    inverted,
    jewellery,
    label_duplicate,
    label_edge,
    label_geometry,
    label_misplaced,
    label_missing,
    label_side,
    label_swapped,
    model_disagrees,
    multiple_views,
    nail_art,
    near_duplicate,
    not_a_hand,
    rotation,
    truncated,
    unreadable,
)
from curate.flags.detector import Detector

DETECTORS: tuple[Detector, ...] = (
    unreadable.DETECTOR,
    truncated.DETECTOR,
    format.DETECTOR,
    duplicate.DETECTOR,
    near_duplicate.DETECTOR,
    exposure.DETECTOR,
    inverted.DETECTOR,
    not_a_hand.DETECTOR,
    multiple_views.DETECTOR,
    jewellery.DETECTOR,
    implant.DETECTOR,
    cast.DETECTOR,
    nail_art.DETECTOR,
    rotation.DETECTOR,
    bent_wrist.DETECTOR,
    bent_finger.DETECTOR,
    label_missing.DETECTOR,
    label_swapped.DETECTOR,
    label_side.DETECTOR,
    label_misplaced.DETECTOR,
    label_duplicate.DETECTOR,
    label_geometry.DETECTOR,
    label_edge.DETECTOR,
)

NAMES = tuple(d.name for d in DETECTORS)

FLAGS = (*NAMES, model_disagrees.NAME)
"""Every flag there is: those of the detectors, and the one that a trained network raises."""


def choose(names: Sequence[str] | None) -> tuple[Detector, ...]:
    """The detectors of these names, in the registry's order; all for ``None``.

    Raises:
        UsageError: for a name that is no detector.
    """
    if names is None:
        return DETECTORS
    for name in names:
        if name not in NAMES:
            raise UsageError(name, f"is no detector; there are {', '.join(NAMES)}")
    return tuple(d for d in DETECTORS if d.name in names)
