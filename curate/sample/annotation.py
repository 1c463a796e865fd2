"""One region of one class in one sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon


@dataclass(frozen=True)
class Annotation:
    """A (multi)polygon of one class, with exact vertices.

    Attributes:
        label: class name.
        geometry: valid, non-empty polygon; vertices in pixels, (x, y) the centre of pixel (x, y).
        id: unique within its sample.
        source: ``"sample-id#annotation-id"`` of the one original annotation it came from, else ``None``.
        weight: 1.0 but for children of mixup, whose target is the weighted sum of their parents' planes.
        rings: for an original read from integer points, those points as they stood in the file,
            int32 arrays of shape (n, 2): the native mask is ``cv2.fillPoly`` of exactly these.
    """

    label: str
    geometry: Polygon | MultiPolygon
    id: str
    source: str | None = None
    weight: float = 1.0
    rings: tuple[np.ndarray, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def parts(self) -> tuple[Polygon, ...]:
        """The polygons this annotation consists of."""
        return tuple(self.geometry.geoms) if isinstance(self.geometry, MultiPolygon) else (self.geometry,)

    @cached_property
    def robust(self) -> bool:
        """Whether rounding cannot make this geometry invalid when an affine moves it: one ring of whole numbers.

        Vertices and edges of a simple ring on the lattice that don't touch are at least 1 / (longest edge) apart,
        which is far more than the rounding of a float64.
        """
        if not isinstance(self.geometry, Polygon) or self.geometry.interiors:
            return False
        points = shapely.get_coordinates(self.geometry)
        return bool(np.abs(points).max() < 1e6 and np.array_equal(points, np.rint(points)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data: label, id, source, weight and, for each part, its outer ring and its holes."""
        parts = [
            {"points": p.exterior.coords[:-1], "holes": [h.coords[:-1] for h in p.interiors]} for p in self.parts
        ]
        return {"label": self.label, "id": self.id, "source": self.source, "weight": self.weight, "parts": parts}
