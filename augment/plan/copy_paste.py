"""Copy-paste: a bone of another film seen over its twin, its soft tissue left behind.

Source: Ghiasi et al., Simple copy-paste, arXiv:2012.07177, with what a radiograph asks for: transmissions multiply, and
overlapping labels both stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import shapely

from augment.plan.align import Aligner, shared_labels
from augment.plan.base import Pool, positive
from augment.plan.draw import Drawn, draw, in_company, part_of
from augment.plan.region import wanted_classes
from curate.errors import UsageError
from curate.manifest import SampleRow
from curate.sample.blend import FEATHER, SURROUND
from curate.sample.geometry import compose, frame, identity, rotation_about, transform_geometry, translation
from curate.sample.recipe import Placement, Recipe

HALO = FEATHER + 2.0
"""Output pixels round a bone's outline that come along: the attenuation has its full strength at the outline."""

DONORS = 4


@dataclass(frozen=True)
class CopyPaste:
    """A bone of another film laid over its twin as an attenuation; both films' labels stay where they overlap.

    Attributes:
        region: regions of the hand to take bones from.
        classes: bones by name, beside or instead of regions; by default any bone that both films have.
        count: bones pasted into a child.
        turn: largest random turn of a bone against its twin, degrees.
        shift: largest random shift, as a share of the bone's size.
        strength: 1 for the bone as dense as it is; less for a fainter one.
    """

    region: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    count: int = 1
    turn: float = 3.0
    shift: float = 0.04
    strength: float = 1.0

    operator: ClassVar[str] = "copy-paste"
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        wanted_classes(self.region, self.classes)
        positive("count", self.count)
        positive("strength", self.strength)
        if not 0 <= self.turn <= 180:
            raise UsageError("--turn", f"{self.turn} is not an angle in [0, 180]")
        if not 0 <= self.shift <= 10:
            raise UsageError("--shift", f"{self.shift} is not a share in [0, 10]")

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n films with bones of another film of the same fold.

        Raises:
            UsageError: no film shows any of the bones, or no two of one fold do.
        """
        wanted = set(wanted_classes(self.region, self.classes))
        shown = {r.id: {a.label for a in pool.annotations(r.id)} for r in pool.rows}
        rows = [r for r in pool.rows if (shown[r.id] & wanted if wanted else shown[r.id])]
        if not rows:
            raise UsageError(self.operator, f"no film shows any of {', '.join(sorted(wanted)) or 'the classes'}")
        rows = in_company(rows, part_of(sides_apart=False), self.operator, "that show the bones")
        aligner = Aligner(pool.annotations)
        for drawn in draw(rows, n, DONORS, seed, self.operator):
            below = drawn.parents[0]
            for donor in drawn.parents[1:]:
                both = shared_labels(pool.annotations(below.id), pool.annotations(donor.id))
                labels = [label for label in both if not wanted or label in wanted]
                if donor.id != below.id and labels:
                    yield self._recipe(drawn, below, donor, labels, aligner, pool)
                    break

    def _recipe(
        self, drawn: Drawn, below: SampleRow, donor: SampleRow, labels: Sequence[str], aligner: Aligner, pool: Pool
    ) -> Recipe:
        rng = drawn.rng
        size = (below.width, below.height)
        mirror = below.side is not None and donor.side is not None and below.side != donor.side
        places = [Placement.of(below.id, identity(), frame(*size))]
        for k in sorted(rng.choice(len(labels), min(self.count, len(labels)), replace=False).tolist()):
            affine = aligner.twin(donor.id, below.id, labels[k], mirror)
            bone = shapely.union_all([a.geometry for a in pool.annotations(donor.id) if a.label == labels[k]])
            middle = transform_geometry(bone, affine).centroid
            reach = self.shift * np.sqrt(bone.area * abs(np.linalg.det(affine[:, :2])))
            affine = compose(
                translation(*(reach * rng.uniform(-1, 1, 2))),
                rotation_about(float(rng.uniform(-self.turn, self.turn)), (middle.x, middle.y)),
                affine,
            )
            others = [a.geometry for a in pool.annotations(donor.id) if a.label != labels[k]]
            moved = [transform_geometry(o, affine) for o in others]
            for ring in outlines(transform_geometry(bone, affine)):
                places.append(
                    Placement.of(
                        donor.id, affine, ring, blend="attenuate", weight=float(self.strength), labels=(labels[k],),
                        crossed=crossed(ring, moved),
                    )
                )
        return Recipe(self.operator, self.version, drawn.seed, size, tuple(places))


def outlines(bone: shapely.Geometry) -> Iterator[np.ndarray]:
    """A ring ``HALO`` pixels round each part of a bone that lies apart from the others: float64 (n, 2)."""
    for grown in shapely.get_parts(shapely.simplify(shapely.buffer(bone, HALO), 0.5)):
        yield np.round(shapely.get_coordinates(grown.exterior)[:-1], 3)


def crossed(ring: np.ndarray, others: Sequence[shapely.Geometry]) -> float:
    """The share, in [0, 0.95], of a ring's surroundings that other bones of its film take."""
    within = shapely.Polygon(ring)
    band = shapely.difference(shapely.buffer(within, SURROUND), within)
    near = [o for o in others if o.intersects(band)]
    taken = shapely.intersection(band, shapely.union_all(near)).area if near else 0.0
    return round(min(taken / band.area, 0.95), 3)
