"""What every planner is: options in, recipes out; no planner touches a pixel or a vertex."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from curate.errors import UsageError
from curate.manifest import SampleRow
from curate.sample.annotation import Annotation
from curate.sample.recipe import Recipe


@dataclass(frozen=True)
class Pool:
    """What planners draw from.

    Attributes:
        rows: candidate parents, sorted by id.
        annotations: sample id -> its annotations at full size, for planners that look at labels.
        warn: told once for each thing a user should know of the plan.
    """

    rows: Sequence[SampleRow]
    annotations: Callable[[str], Sequence[Annotation]]
    warn: Callable[[str], None] = lambda text: None


class Planner(Protocol):
    """A frozen dataclass of options with a class name ``operator``, its ``version``, and this one method."""

    operator: str
    version: int

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """At most n recipes; the same pool, options, n and seed give the same ones."""


def options_of(planner: Planner) -> dict[str, Any]:
    """A planner's options as plain data, for a version's step: only those that differ from their defaults."""
    values = asdict(planner)
    plain = {f.name: values[f.name] for f in fields(planner) if values[f.name] != f.default}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def positive(name: str, value: float) -> None:
    """Refuse an option that must be above zero."""
    if not value > 0:
        raise UsageError(f"--{name}", f"{value} is not above 0")


def common_size(rows: Sequence[SampleRow]) -> tuple[int, int]:
    """The commonest (width, height) of some samples; the largest of several that are equally common."""
    sizes = [(r.width, r.height) for r in rows]
    return max(set(sizes), key=lambda s: (sizes.count(s), s))
