"""A small world in memory: films, their labels and rows; and every operator with options drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry import Polygon, box

from augment.plan import Pool
from augment.plan.copy_paste import CopyPaste
from augment.plan.crop import Crop
from augment.plan.cutmix import CutMix
from augment.plan.elastic import Elastic
from augment.plan.filter import Filter
from augment.plan.finger_rotate import FingerRotate
from augment.plan.flip import Flip
from augment.plan.mixup import Mixup
from augment.plan.mosaic import Mosaic
from augment.plan.ricap import Ricap
from augment.plan.rotate import Rotate
from curate.manifest import SampleRow
from curate.presets import FINGERS
from curate.sample.annotation import Annotation
from curate.sample.geometry import frame
from curate.sample.labels import Dropped, render_labels
from curate.sample.raster import coverage
from curate.sample.recipe import Recipe
from curate.sample.render import Rendered, render
from curate.sample.warp import Film
from tests.shapes import star

SIZE = 128
LABELS = (*FINGERS[0], "Pisiform", "Lunate", "Ulna")

OPERATORS = {
    "crop": lambda r: Crop(classes=("Pisiform", "Lunate"), margin=r.uniform(0, 0.6), jitter=r.uniform(0, 1),
                           square=bool(r.integers(2)), size=int(r.choice([0, 64, 100, 200]))),
    "flip": lambda r: Flip(),
    "mosaic": lambda r: Mosaic(rows=int(r.integers(1, 4)), columns=int(r.integers(1, 4)), jitter=r.uniform(0, 0.9),
                               fit=str(r.choice(["whole", "cropped", "mixed"])), same_side=bool(r.integers(2))),
    "ricap": lambda r: Ricap(beta=r.uniform(0.2, 3)),
    "ricap aligned": lambda r: Ricap(beta=r.uniform(0.2, 3), aligned=True),
    "rotate": lambda r: Rotate(low=-180, high=r.uniform(-179, 180), canvas=str(r.choice(["keep", "grow"]))),
    "rotate reflect": lambda r: Rotate(low=-180, high=r.uniform(-179, 180), border="reflect"),
    "cutmix": lambda r: CutMix(alpha=r.uniform(0.2, 3)),
    "mixup": lambda r: Mixup(alpha=r.uniform(0.2, 3)),
    "copy-paste": lambda r: CopyPaste(count=int(r.integers(1, 4)), turn=r.uniform(0, 30), shift=r.uniform(0, 0.5)),
    "filter": lambda r: Filter(apply=("gamma", "gamma_limit=80,120")),
    "elastic": lambda r: Elastic(strength=r.uniform(0.003, 0.03), lattice=int(r.integers(2, 8))),
    "finger-rotate": lambda r: FingerRotate(degrees=r.uniform(1, 12)),
}
"""Name -> planner with options drawn from a generator; every operator and its main modes."""


class Labelled(NamedTuple):
    """A child's labels without its picture."""

    annotations: tuple[Annotation, ...]
    dropped: Dropped


@dataclass
class World:
    """Films of two folds and both sides, all with labels; some are not square."""

    rows: list[SampleRow]
    shapes: dict[str, tuple[Annotation, ...]]
    films: dict[str, Film]

    def pool(self) -> Pool:
        return Pool(self.rows, self.shapes.__getitem__, samples=self.rows)

    def render(self, recipe: Recipe, scale: float = 1.0) -> Rendered:
        return render(recipe, self.films.__getitem__, self.shapes.__getitem__, scale)

    def labels(self, recipe: Recipe) -> Labelled:
        return Labelled(*render_labels(recipe, self.shapes.__getitem__))


def row_of(name: str, size: tuple[int, int], fold: int = 0, side: str | None = "left", **rest) -> SampleRow:
    return SampleRow(
        name, f"{name}.png", f"{name}.json", name, fold, "train", side, *size, digest=f"sha256:{name}", **rest
    )


def world_of(
    seed: int, films: int = 8, each: int = 7, given: Sequence[shapely.Geometry] = (), apart: bool = False
) -> World:
    """Films with random concave polygons, or with the given shapes (of a 64 px picture, doubled).

    ``apart``: in cells of their own, so that none overlaps another.
    """
    rng = np.random.default_rng(seed)
    rows, shapes, pictures = [], {}, {}
    for k in range(films):
        size = (SIZE, SIZE) if k % 4 else (SIZE + 24, SIZE - 9)
        picture = box(*frame(*size))
        mine = []
        while len(mine) < (len(given) or each):
            if given:
                shape = shapely.transform(given[len(mine)], lambda p: p * 2 + 0.5)
            else:
                middle, reach = tuple(rng.uniform(0.1, 0.9, 2) * size), rng.uniform(6, 40)
                if apart:
                    middle, reach = (22 + 40 * (len(mine) % 3), 22 + 40 * (len(mine) // 3)), rng.uniform(8, 15)
                shape = star(rng, int(rng.integers(3, 30)), middle, reach)
                if rng.random() < 0.3:
                    shape = Polygon(np.rint(np.array(shape.exterior.coords)))
            if shape.is_valid:
                shape = shapely.intersection(shape, picture)
                if given or (isinstance(shape, Polygon) and shape.area > 12):
                    mine.append(shape)
        rows.append(row_of(f"f{k}", size, k % 2, "left" if k % 4 < 2 else "right"))
        shapes[f"f{k}"] = tuple(Annotation(LABELS[j % len(LABELS)], s, str(j)) for j, s in enumerate(mine))
        pictures[f"f{k}"] = Film(np.full((size[1], size[0]), 30, np.uint8), 30)
    return World(rows, shapes, pictures)


def paint(world: World, ink: int = 200, ground: int = 30) -> None:
    """Give every film a picture of its own labels: a pixel is ink when most of it is bone."""
    for row in world.rows:
        gray = np.full((row.height, row.width), ground, np.uint8)
        for a in world.shapes[row.id]:
            gray[coverage(a, (row.width, row.height))] = ink
        world.films[row.id] = Film(gray, ground)
