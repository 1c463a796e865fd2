"""Everything needed to make one derived sample again, as pure data."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from curate.errors import RecipeError
from curate.sample.geometry import Box

BLENDS = ("replace", "mean", "attenuate")
Region = Box | tuple[tuple[float, float], ...]

FARTHEST = 1e8
"""Pixels; an affine with a larger number cannot be meant."""


@dataclass(frozen=True)
class Field:
    """A smooth displacement on a coarse grid over the output picture.

    The pixel at output position p shows what the affine alone would have put at ``p + d(p)``; d is the
    bilinear interpolation, in output pixels, of the grid whose corners are the corners of the frame.

    Attributes:
        rows, cols: grid nodes, at least 2 each.
        dx, dy: displacements in output pixels, row by row, ``rows * cols`` numbers each.
    """

    rows: int
    cols: int
    dx: tuple[float, ...]
    dy: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "cols": self.cols, "dx": list(self.dx), "dy": list(self.dy)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Field:
        return cls(int(data["rows"]), int(data["cols"]), tuple(map(float, data["dx"])), tuple(map(float, data["dy"])))

    def grid(self) -> np.ndarray:
        """float64 array of shape (rows, cols, 2)."""
        return np.stack([np.reshape(self.dx, (self.rows, self.cols)), np.reshape(self.dy, (self.rows, self.cols))], -1)


@dataclass(frozen=True)
class Placement:
    """One parent image laid into the output.

    Attributes:
        parent: sample id.
        affine: parent pixels to output pixels, two rows of three.
        region: the part of the output that it fills: a box (x0, y0, x1, y1) or a ring of points, output pixels.
        field: a displacement after the affine, or ``None``.
        blend: ``replace`` what lies below, take the weighted ``mean`` of all such placements, or ``attenuate``:
            the film below seen through this one (their transmissions multiply). Through a box, all that this film
            shows above its own background; through a ring, only what it shows above the levels along that ring.
        weight: share in a mean, and of its annotations in the target; strength of an attenuation.
        labels: classes whose annotations come along; ``None`` for all.
        crossed: share of a ring's surroundings that lies in other bones, in [0, 1): an attenuation reads the level of
            tissue from the rest, which is the darker part.
        levels: ``"first"`` brings the film's grey levels to those of the first placement's film; ``None`` keeps them.
    """

    parent: str
    affine: tuple[tuple[float, float, float], tuple[float, float, float]]
    region: Region
    field: Field | None = None
    blend: str = "replace"
    weight: float = 1.0
    labels: tuple[str, ...] | None = None
    crossed: float = 0.0
    levels: str | None = None

    @classmethod
    def of(cls, parent: str, affine: np.ndarray, region: Sequence, **rest: Any) -> Placement:
        """From arrays: the affine of shape (2, 3), the region a box or an (n, 2) ring."""
        if np.shape(affine) != (2, 3):
            raise ValueError(f"an affine has shape (2, 3), not {np.shape(affine)}")
        first, second = (np.asarray(affine, dtype=np.float64) + 0.0).tolist()  # no minus zero
        return cls(parent, (tuple(first), tuple(second)), _region(region), **rest)

    def matrix(self) -> np.ndarray:
        """The affine as a float64 array of shape (2, 3)."""
        return np.array(self.affine, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        region = list(self.region) if not isinstance(self.region[0], tuple) else [list(p) for p in self.region]
        some: dict[str, Any] = {} if self.labels is None else {"labels": list(self.labels)}
        some |= {"crossed": self.crossed} if self.crossed else {}
        some |= {} if self.levels is None else {"levels": self.levels}
        return {
            "parent": self.parent,
            "affine": [list(row) for row in self.affine],
            "region": region,
            "field": self.field.to_dict() if self.field else None,
            "blend": self.blend,
            "weight": self.weight,
            **some,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Placement:
        return cls.of(
            data["parent"],
            np.array(data["affine"], dtype=np.float64),
            data["region"],
            field=Field.from_dict(data["field"]) if data.get("field") else None,
            blend=data.get("blend", "replace"),
            weight=float(data.get("weight", 1.0)),
            labels=None if data.get("labels") is None else tuple(map(str, data["labels"])),
            crossed=float(data.get("crossed", 0.0)),
            levels=data.get("levels"),
        )


@dataclass(frozen=True)
class Filter:
    """A change of pixels that moves no vertex, except that it may scale the picture.

    Attributes:
        name: as registered in ``curate.sample.filters``.
        params: its parameters, plain data.
        scale: output pixels per input pixel; labels follow by the one affine.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "params": dict(self.params), "scale": self.scale}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Filter:
        return cls(data["name"], dict(data.get("params", {})), float(data.get("scale", 1.0)))


@dataclass(frozen=True)
class Recipe:
    """How one derived sample is made.

    Attributes:
        operator, operator_version: who planned it; a change of what the same numbers mean raises the version.
        seed: of this sample; the filters' noise starts from it.
        size: (width, height) of the picture before filters that scale.
        placements: laid one over the other in this order.
        fill: grey level where no film lies: ``"background"`` (the film's own empty level) or 0 to 255.
        filters: applied to the finished picture in this order.
    """

    operator: str
    operator_version: int
    seed: int
    size: tuple[int, int]
    placements: tuple[Placement, ...]
    fill: str | int = "background"
    filters: tuple[Filter, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the parents, each once, in the order of first use."""
        return tuple(dict.fromkeys(p.parent for p in self.placements))

    @property
    def output_size(self) -> tuple[int, int]:
        """(width, height) after the filters."""
        width, height = self.size
        for step in self.filters:
            width, height = round(width * step.scale), round(height * step.scale)
        return width, height

    def to_dict(self) -> dict[str, Any]:
        return {
            "operator": self.operator,
            "operator_version": self.operator_version,
            "seed": self.seed,
            "size": list(self.size),
            "fill": self.fill,
            "placements": [p.to_dict() for p in self.placements],
            "filters": [f.to_dict() for f in self.filters],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Read a recipe, checking that it can be rendered.

        Raises:
            RecipeError: a missing key, a wrong type, an affine that flattens, an unknown blend.
        """
        try:
            recipe = cls(
                str(data["operator"]),
                int(data["operator_version"]),
                int(data["seed"]),
                (int(data["size"][0]), int(data["size"][1])),
                tuple(Placement.from_dict(p) for p in data["placements"]),
                data.get("fill", "background"),
                tuple(Filter.from_dict(f) for f in data.get("filters", ())),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RecipeError(None, f"recipe cannot be read: {type(error).__name__}: {error}") from None
        recipe.check()
        return recipe

    def check(self) -> None:
        """Raise ``RecipeError`` when this recipe cannot be rendered."""
        if not self.placements:
            raise RecipeError(self.operator, "a recipe needs at least one placement")
        if min(self.size) < 1 or self.size[0] * self.size[1] > 1 << 31:
            raise RecipeError(self.operator, f"output size {self.size} is not a picture's")
        if not all(0 < f.scale <= 64 for f in self.filters) or math.prod(self.output_size) > 1 << 31:
            raise RecipeError(self.operator, "its filters scale it to no size of a picture")
        if self.fill != "background" and not (isinstance(self.fill, int) and 0 <= self.fill <= 255):
            raise RecipeError(self.operator, f"fill {self.fill!r} is neither 'background' nor 0 to 255")
        for place in self.placements:
            if not isinstance(place.parent, str):
                raise RecipeError(self.operator, f"parent {place.parent!r} is not the id of a sample")
            matrix = place.matrix()
            if not np.abs(matrix).max() < FARTHEST or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
                raise RecipeError(place.parent, "its affine is singular, not finite or beyond any picture")
            if not np.abs(np.array(place.region)).max() < FARTHEST:
                raise RecipeError(place.parent, "its region is not finite or beyond any picture")
            field = place.field
            if field and not len(field.dx) == len(field.dy) == field.rows * field.cols:
                raise RecipeError(place.parent, f"its field has not {field.rows} x {field.cols} numbers each way")
            if place.blend not in BLENDS:
                raise RecipeError(place.parent, f"blend {place.blend!r} is none of {', '.join(BLENDS)}")
            if not 0 <= place.crossed < 1:
                raise RecipeError(place.parent, f"crossed {place.crossed} is no share in [0, 1)")
            if place.levels not in (None, "first"):
                raise RecipeError(place.parent, f"levels {place.levels!r} are neither 'first' nor left out")
            if not math.isfinite(place.weight) or place.weight <= 0:
                raise RecipeError(place.parent, f"weight {place.weight} is not positive")

    def canonical(self) -> bytes:
        """The one byte string of this recipe: JSON with sorted keys and shortest round-trip numbers."""
        return orjson.dumps(self.to_dict(), option=orjson.OPT_SORT_KEYS)

    def digest(self, ancestors: Mapping[str, str]) -> str:
        """Identity of the sample that this recipe makes from parents with the given identity digests."""
        state = hashlib.sha256(self.canonical())
        for parent in sorted(self.parents):
            state.update(f"\n{parent}={ancestors[parent]}".encode())
        return "sha256:" + state.hexdigest()


def _region(region: Sequence) -> Region:
    first = region[0]
    if isinstance(first, Sequence | np.ndarray):
        ring = tuple((float(x), float(y)) for x, y in region)
        if len(ring) < 3:
            raise ValueError("a region's ring needs three points")
        return ring
    if len(region) != 4:
        raise ValueError("a region's box is [x0, y0, x1, y1]")
    x0, y0, x1, y1 = (float(v) for v in region)
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"region {list(region)} is empty")
    return (x0, y0, x1, y1)
