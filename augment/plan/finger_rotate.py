"""Finger-rotate: a finger turns about the joint at its root; soft tissue follows, the forearm stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import shapely

from augment.plan.base import Pool, positive
from augment.plan.draw import draw
from augment.plan.fields import STEEPEST, field_of
from curate.errors import UsageError
from curate.presets import FINGERS, THUMB
from curate.sample.annotation import Annotation
from curate.sample.geometry import frame, identity
from curate.sample.recipe import Field, Placement, Recipe
from curate.sample.warp import steepness

NAMES = dict(zip(("thumb", "index", "middle", "ring", "little"), (THUMB, *FINGERS), strict=True))
NODES = 41
MARGIN = 4.0
"""Degrees beside the finger's own bones, as seen from the joint, that turn rigidly with them."""


@dataclass(frozen=True)
class FingerRotate:
    """A finger's phalanges turn about the joint at their root, with the soft tissue; the forearm stays.

    Attributes:
        finger: thumb, index, middle, ring or little; drawn from these, by default from all.
        degrees: largest turn to either side; the angle is drawn evenly.
        falloff: degrees beside the finger, as seen from the joint, over which the turn fades out.
    """

    finger: tuple[str, ...] = ()
    degrees: float = 10.0
    falloff: float = 35.0

    operator: ClassVar[str] = "finger-rotate"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name in self.finger:
            if name not in NAMES:
                raise UsageError("--finger", f"{name!r} is none of {', '.join(NAMES)}")
        positive("degrees", self.degrees)
        positive("falloff", self.falloff)
        if self.degrees > 0.45 * self.falloff:
            raise UsageError("--degrees", f"{self.degrees} within a falloff of {self.falloff} would fold the picture")

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n films with one finger turned.

        Raises:
            UsageError: no film has such a finger's metacarpal and phalanges labelled.
        """
        hinges = {row.id: self._hinges(pool.annotations(row.id)) for row in pool.rows}
        rows = [row for row in pool.rows if hinges[row.id]]
        if not rows:
            raise UsageError(self.operator, "no film has a finger's metacarpal and phalanges labelled")
        for drawn in draw(rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            size = (parent.width, parent.height)
            joint, bones = hinges[parent.id][int(drawn.rng.integers(len(hinges[parent.id])))]
            angle = float(drawn.rng.uniform(-self.degrees, self.degrees))
            field = turn_field(joint, bones, angle, self.falloff, size)
            place = Placement.of(parent.id, identity(), frame(*size), field=field)
            yield Recipe(self.operator, self.version, drawn.seed, size, (place,))

    def _hinges(self, annotations: Sequence[Annotation]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(joint, vertices of the phalanges) of each finger asked for that the labels show."""
        shapes = {a.label: a.geometry for a in annotations}
        found = []
        for name in self.finger or NAMES:
            *phalanges, metacarpal = NAMES[name]
            if metacarpal in shapes and all(p in shapes for p in phalanges):
                gap = shapely.get_coordinates(shapely.shortest_line(shapes[phalanges[-1]], shapes[metacarpal]))
                found.append((gap.mean(axis=0), shapely.get_coordinates([shapes[p] for p in phalanges])))
        return found


def turn_field(joint: np.ndarray, bones: np.ndarray, angle: float, falloff: float, size: tuple[int, int]) -> Field:
    """A field that turns what lies in one direction from a joint, and less and less of what lies beside it.

    The share of the turn depends on the direction alone, as seen from the joint: so it can fade out over a gap that
    is narrow at the root and wide at the tip without folding; a turn that would be too steep is made smaller.

    Args:
        joint: (2,). bones: (n, 2) vertices that turn as they are. angle: degrees clockwise. falloff: degrees.
    """
    rays = (bones - joint) @ (1, 1j)
    axis = np.angle(rays.mean())
    far = np.abs(rays) > 0.25 * np.abs(rays).max()  # close to the joint every direction is the finger's
    beside = np.degrees(np.angle(rays[far] * np.exp(-1j * axis)))
    middle = (beside.min() + beside.max()) / 2
    half = (beside.max() - beside.min()) / 2 + MARGIN
    x, y = np.meshgrid(np.linspace(-0.5, size[0] - 0.5, NODES), np.linspace(-0.5, size[1] - 0.5, NODES))
    place = (x - joint[0]) + 1j * (y - joint[1])
    while True:
        off = np.abs(np.degrees(np.angle(place * np.exp(-1j * (axis + np.radians(middle + angle))))))
        fade = np.clip((half + falloff - off) / falloff, 0, 1)
        share = fade * fade * (3 - 2 * fade)
        moved = place * np.exp(-1j * np.radians(angle) * share) - place
        field = field_of(np.stack([moved.real, moved.imag], axis=-1))
        if steepness(field, size) <= STEEPEST:
            return field
        angle *= 0.9  # a smaller turn is still a turn; a weakened displacement would not be
