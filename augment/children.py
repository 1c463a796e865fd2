"""The rows of children before they have files: planned, named by their digest, each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from augment.orientation import orientation_of, turned_in
from augment.plan.base import Planner, Pool, options_of
from augment.select import Selection, select_parents
from curate.errors import UsageError
from curate.manifest import SampleRow, Version
from curate.sample.image import MAX_PIXELS
from curate.sample.read import LABELS, SampleReader
from curate.sample.recipe import Placement, Recipe

MOST = 1_000_000
"""Children of one operator: as many as versions were tried with (docs/reliability.md)."""


@dataclass(frozen=True)
class Job:
    """One operator to run.

    Attributes:
        planner: the operator and its options.
        n: children to make; ``None`` for as many as there are films to draw from.
        selection: which samples may be parents.
        seed: the run's, when ``None``.
    """

    planner: Planner
    n: int | None = None
    selection: Selection = field(default_factory=Selection)
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a version's step tells it: only what was asked for."""
        some = {"n": self.n, "seed": self.seed, "options": options_of(self.planner)}
        some["selection"] = self.selection.to_dict()
        about = {"name": self.planner.operator, "operator_version": self.planner.version}
        return orjson.loads(orjson.dumps(about | {k: v for k, v in some.items() if v not in (None, {})}))


def child_row(recipe: Recipe, parents: Mapping[str, SampleRow]) -> SampleRow:
    """The row of a child before it has files: its id from its digest, group and fold from its parents."""
    rows = [parents[p] for p in recipe.parents]
    digest = recipe.digest({r.id: r.digest for r in rows})
    sides = {_side(p, parents[p.parent]) for p in recipe.placements}
    width, height = recipe.output_size
    groups = sorted({g for r in rows for g in ([r.group] if r.is_original else r.group.split("+"))})
    return SampleRow(
        id=f"{recipe.operator}/{digest[7:19]}",
        image=None,
        labels=None,
        group="+".join(groups),
        fold=rows[0].fold,
        split="train",
        side=sides.pop() if len(sides) == 1 else None,
        width=width,
        height=height,
        parents=tuple(sorted(r.id for r in rows)),
        recipe=recipe.to_dict(),
        digest=digest,
    )


def _side(place: Placement, parent: SampleRow) -> str | None:
    """The side that a placed hand shows: a mirrored right hand is a left one."""
    (a, b, _), (c, d, _) = place.affine
    if parent.side is not None and a * d - b * c < 0:
        return {"left": "right", "right": "left"}[parent.side]
    return parent.side


def plan_job(
    job: Job, source: Version, seed: int, reader: SampleReader, warn: Callable[[str], None]
) -> list[SampleRow]:
    """The rows of a job's children, each once, in the order in which films are best decoded.

    Raises:
        UsageError: no parent is left, the operator finds nothing to do, or fewer different samples than asked for.
    """
    seed = seed if job.seed is None else job.seed
    if job.n is not None and job.n < 1:
        raise UsageError("--n", f"{job.n} is not a number of samples to make")
    if job.n is not None and job.n > MOST:
        raise UsageError("--n", f"{job.n} is more than {MOST}, the most that one operator makes")
    if not 0 <= seed < 1 << 63:
        raise UsageError("--seed", f"{seed} is not in [0, 2^63)")
    parents = select_parents(source, job.selection, reader, warn)
    angle, turned = orientation_of(source, reader), turned_in(source)
    pool = Pool(parents, reader.annotations, warn, source.samples, angle, turned, reader.film)
    n = len(parents) if job.n is None else job.n
    rows: dict[str, SampleRow] = {}
    known = source.by_id
    for recipe in job.planner.plan(pool, n, seed):
        if math.prod(recipe.output_size) > MAX_PIXELS:
            width, height = recipe.output_size
            raise UsageError(recipe.operator, f"{width} x {height} is more than the {MAX_PIXELS} pixels of a film")
        row = child_row(recipe, known)
        if row.id not in known:
            rows.setdefault(row.id, row)
    operator = job.planner.operator
    if not rows:
        raise UsageError(operator, f"finds nothing to make from {len(parents)} films that {source.name} doesn't hold")
    if job.n is not None and len(rows) < n:
        raise UsageError(
            "--n", f"{n} is more than the {len(rows)} different new samples that {operator} gives from "
            f"{len(parents)} films"
        )
    return list(rows.values())


def plan_children(
    jobs: Sequence[Job], source: Version, seed: int, warn: Callable[[str], None] = lambda text: None
) -> list[SampleRow]:
    """The rows of several jobs' children; the k-th job without a seed of its own uses ``seed + k``."""
    reader = SampleReader(source, labels=LABELS)
    rows: dict[str, SampleRow] = {}
    for k, job in enumerate(jobs):
        for row in plan_job(job, source, seed + k, reader, warn):
            rows.setdefault(row.id, row)
    return list(rows.values())
