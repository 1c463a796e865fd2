"""What every planner is: options in, recipes out; no planner touches a pixel or a vertex."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np

from curate.errors import ManifestError, UsageError
from curate.manifest import SampleRow
from curate.sample.annotation import Annotation
from curate.sample.geometry import Box, compose, frame, identity, scale_affine, translation
from curate.sample.recipe import Recipe
from curate.sample.warp import Film


def _stated(row: SampleRow) -> float | None:
    return row.meta.get("fingers_deg")


def _no_film(sample: str) -> Film:
    raise ManifestError(sample, "has no pixels here")


@dataclass(frozen=True)
class Pool:
    """What planners draw from.

    Attributes:
        rows: candidate parents, sorted by id.
        annotations: sample id -> its annotations at full size, for planners that look at labels.
        warn: told once for each thing a user should know of the plan.
        samples: the whole version, for planners that look beyond the candidates.
        angle: where a sample's fingers point, degrees clockwise from up in [0, 360); ``None`` where not known.
        turned: whether a sample is flagged ``rotation``.
        film: sample id -> its pixels at full size, for planners that measure; planning itself decodes no film.
    """

    rows: Sequence[SampleRow]
    annotations: Callable[[str], Sequence[Annotation]]
    warn: Callable[[str], None] = lambda text: None
    samples: Sequence[SampleRow] = ()
    angle: Callable[[SampleRow], float | None] = _stated
    turned: Callable[[SampleRow], bool] = lambda row: False
    film: Callable[[str], Film] = _no_film


class Planner(Protocol):
    """A frozen dataclass of options with a class name ``operator``, its ``version``, and this one method.

    One whose children must have files, because they are slow to render, also says ``always_files``.
    """

    operator: str
    version: int

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """At most n recipes; the same pool, options, n and seed give the same ones.

        A recipe that chance has no part in gets the seed 0, so that the same child planned twice is one child.
        """


def options_of(planner: Planner) -> dict[str, Any]:
    """A planner's options as plain data, for a version's step: only those that differ from their defaults."""
    values = asdict(planner)
    plain = {f.name: values[f.name] for f in fields(planner) if values[f.name] != f.default}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def positive(name: str, value: float) -> None:
    """Refuse an option that must be above zero."""
    if not 0 < value < float("inf"):
        raise UsageError(f"--{name}", f"{value} is not above 0")


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse an option that is none of the words it may be."""
    if value not in known:
        raise UsageError(f"--{name}", f"{value!r} is none of {', '.join(known)}")


def common_size(rows: Sequence[SampleRow]) -> tuple[int, int]:
    """The commonest (width, height) of some samples; the largest of several that are equally common."""
    sizes = [(r.width, r.height) for r in rows]
    return max(set(sizes), key=lambda s: (sizes.count(s), s))


def fitted(row: SampleRow, size: tuple[int, int]) -> tuple[np.ndarray, Box]:
    """A whole film in the middle of a picture of ``size``, shrunk or grown to fit: its affine, and where it lies."""
    if (row.width, row.height) == size:
        return identity(), frame(*size)
    scale = min(size[0] / row.width, size[1] / row.height)
    x, y = (round((edge - own * scale) / 2) for edge, own in zip(size, (row.width, row.height), strict=True))
    x1, y1 = min(x + row.width * scale, size[0]), min(y + row.height * scale, size[1])
    return compose(translation(x, y), scale_affine(scale)), (x - 0.5, y - 0.5, x1 - 0.5, y1 - 0.5)
