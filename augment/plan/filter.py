"""Filter: changes of pixels by name and parameters; no vertex moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from augment.plan.base import Pool
from augment.plan.draw import draw
from curate.errors import RecipeError, UsageError
from curate.sample.filters import STILL, check_filter, filter_name
from curate.sample.geometry import frame, identity
from curate.sample.recipe import Filter as Step
from curate.sample.recipe import Placement, Recipe


@dataclass(frozen=True)
class Filter:
    """Changes of pixels by albumentations, by name and parameters, replayed from the recipe; no vertex moves.

    Attributes:
        apply: names, each followed by its parameters: `--apply CLAHE clip_limit=2 GaussNoise std_range=0.02,0.05`.
            Short names: clahe, sharpen, emboss, gamma, brightness-contrast, blur, noise, jpeg.
        pick: apply only this many of them, drawn for each child; 0 applies all, in order.
    """

    apply: tuple[str, ...] = ()
    pick: int = 0

    operator: ClassVar[str] = "filter"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        steps = self.steps()
        if not 0 <= self.pick <= len(steps):
            raise UsageError("--pick", f"{self.pick} is not a number of the {len(steps)} filters named")

    def steps(self) -> tuple[Step, ...]:
        """The filters named, under albumentations' own names.

        Raises:
            UsageError: none is named, or one is not known or doesn't take those parameters.
        """
        steps = parse(self.apply)
        try:
            for step in steps:
                check_filter(step)
        except RecipeError as error:
            raise UsageError("--apply", str(error)) from None
        return steps

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n filtered films; what a filter draws at random comes from each child's own seed."""
        steps = self.steps()
        for drawn in draw(pool.rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            size = (parent.width, parent.height)
            chosen = steps
            if self.pick:
                chosen = tuple(steps[k] for k in sorted(drawn.rng.choice(len(steps), self.pick, replace=False)))
            place = Placement.of(parent.id, identity(), frame(*size))
            yield Recipe(self.operator, self.version, drawn.seed, size, (place,), filters=chosen)


def parse(words: Sequence[str]) -> tuple[Step, ...]:
    """Names, each followed by its ``key=value`` parameters, as filters of a recipe.

    Raises:
        UsageError: no name, or a parameter before the first name.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            found.append((word, {}))
        elif not found:
            raise UsageError("--apply", f"{word} comes before the name of a filter")
        else:
            found[-1][1][key.strip()] = _value(value)
    if not found:
        raise UsageError("--apply", "needs the name of a filter, such as CLAHE or GaussNoise")
    try:
        names = [filter_name(name) for name, _ in found]
    except RecipeError as error:
        raise UsageError("--apply", str(error)) from None
    return tuple(Step(name, STILL.get(name, {}) | params) for name, (_, params) in zip(names, found, strict=True))


def _value(text: str) -> Any:
    """A parameter as JSON would read it, a comma making a list, anything else as text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    if "," in text:
        return [_value(part) for part in text.split(",")]
    return text.strip()
