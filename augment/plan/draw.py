"""Drawing the parents of many children: evenly, from one fold, and near one another so that films are decoded once.

The pool is divided by fold (and by side when asked). Each cycle shuffles every part and cuts it into blocks; a child's
parents all come from one block. Over n children every film is the first parent equally often, to within one.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curate.errors import UsageError
from curate.manifest import SampleRow

Part = Callable[[SampleRow], Hashable]
"""What the parents of one child must share."""

BLOCK = 32
"""Films that may meet in one child: random company still, and few enough to stay decoded (4 MiB each at 2048)."""


@dataclass(frozen=True)
class Drawn:
    """The parents of one child.

    Attributes:
        index: of the child. rng: of this child alone. parents: all of one part of the pool.
        repeated: a part had fewer films than the child needs, so that some stand in it twice.
    """

    index: int
    rng: np.random.Generator
    parents: tuple[SampleRow, ...]
    repeated: bool

    @property
    def seed(self) -> int:
        """A seed for the child's own recipe, of 31 bits."""
        return int(self.rng.integers(1 << 31))


def part_of(sides_apart: bool) -> Part:
    """The fold, and where sides are kept apart the side as well."""
    return (lambda row: (row.fold, row.side)) if sides_apart else (lambda row: row.fold)


def of_known_side(rows: Sequence[SampleRow]) -> list[SampleRow]:
    """The films whose side is known: of the others nobody can say that they are kept apart.

    Raises:
        UsageError: there is none.
    """
    known = [row for row in rows if row.side is not None]
    if not known:
        raise UsageError("--same-side", "no film's side is known")
    return known


def in_company(rows: Sequence[SampleRow], part: Part, operator: str, which: str = "") -> list[SampleRow]:
    """The films that have another of their part to meet: one alone would leave its share of the children unmade.

    Args:
        which: said of the films in the error, such as "that show the bones".

    Raises:
        UsageError: there is none.
    """
    members = Counter(map(part, rows))
    found = [row for row in rows if members[part(row)] > 1]
    if not found:
        raise UsageError(operator, f"needs two films of one fold{which and ' '}{which}")
    return found


def draw(
    pool: Sequence[SampleRow],
    n: int,
    per_child: int,
    seed: int,
    operator: str,
    part: Part = lambda row: row.fold,
) -> Iterator[Drawn]:
    """Parents for n children.

    Args:
        pool: sorted by id, so that the draw depends on nothing else.
        per_child: parents a child.
        part: what the parents of one child must share; the fold at least.

    Yields:
        n draws, ordered so that neighbours share films.
    """
    parts: dict[Hashable, list[SampleRow]] = defaultdict(list)
    for row in pool:
        parts[part(row)].append(row)
    code = zlib.crc32(operator.encode())
    index = 0
    for cycle in range(-(-n // len(pool))):
        rng = np.random.default_rng([seed, code, cycle, 0])
        blocks: list[tuple[list[SampleRow], list[SampleRow]]] = []  # (block, its part), one entry a film of the block
        for key in sorted(parts, key=str):
            shuffled = [parts[key][i] for i in rng.permutation(len(parts[key]))]
            cuts = range(0, len(shuffled), BLOCK)
            groups = [shuffled[c : c + BLOCK] for c in cuts]
            if len(groups) > 1 and len(groups[-1]) < BLOCK // 2:
                groups[-2:] = [groups[-2] + groups[-1]]
            blocks += [(group, k) for group in groups for k in range(len(group))]
        here = min(n - index, len(pool))
        for j in range(here):
            block, first = blocks[j * len(blocks) // here]
            own = np.random.default_rng([seed, code, index, 1])
            others = [row for k, row in enumerate(block) if k != first]
            repeated = len(others) < per_child - 1
            if per_child == 1:
                company = []
            elif repeated:
                order = [others[i] for i in own.permutation(len(others))] or [block[first]]
                company = [order[k % len(order)] for k in range(per_child - 1)]
            else:
                company = [others[i] for i in own.choice(len(others), per_child - 1, replace=False)]
            yield Drawn(index, own, (block[first], *company), repeated)
            index += 1


def draw_pairs(
    pool: Sequence[SampleRow], n: int, seed: int, operator: str, same_side: bool
) -> Iterator[Drawn]:
    """Two different parents for each of n children, of one fold, and of one known side when asked.

    Raises:
        UsageError: no two films may meet.
    """
    part = part_of(same_side)
    rows = in_company(of_known_side(pool) if same_side else pool, part, operator, "and one side" if same_side else "")
    return draw(rows, n, 2, seed, operator, part)
