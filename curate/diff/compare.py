"""Two versions, row by row and polygon by polygon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from curate.diff.polygons import Change, changes
from curate.manifest import SampleRow, Version
from curate.sample.read import LABELS, SampleReader

FIELDS = ("group", "fold", "split", "side", "tags", "parents", "width", "height", "recipe", "meta", "pixels")
"""What is compared of a sample that both versions have, beside its annotations."""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass
class Difference:
    """Everything that is not the same in two versions.

    Attributes:
        a, b: their names. base: the nearest version that both were made from, or either of them.
        steps: what was done from the base to each, oldest first.
        added, removed: ids. changed: annotations that moved, came, went or were renamed, the most changed first.
        rows: id -> field -> [before, after], of samples that both have.
        moved_groups: patients in another fold of the split.
    """

    a: str
    b: str
    base: str | None
    steps: dict[str, list[dict[str, Any]]]
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    rows: dict[str, dict[str, list]] = field(default_factory=dict)
    moved_groups: dict[str, list] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether both hold the same samples with the same labels, folds and tags."""
        return not (self.added or self.removed or self.changed or self.rows or self.moved_groups)

    def to_dict(self) -> dict[str, Any]:
        """The object that ``curate diff --json`` prints."""
        return {**vars(self), "changed": [c.to_dict() for c in self.changed], "same": self.same}

    def counts(self) -> list[tuple[str, int]]:
        """What changed, and how often."""
        kinds = Counter(c.kind for c in self.changed)
        fields = Counter(f for row in self.rows.values() for f in row)
        return [
            ("samples added", len(self.added)),
            ("samples removed", len(self.removed)),
            *((f"annotations {kind}", kinds[kind]) for kind in ("moved", "renamed", "added", "removed")),
            *((f"samples with changed {name}", fields[name]) for name in FIELDS if fields[name]),
            ("patients in another fold", len(self.moved_groups)),
        ]


def diff_versions(a: Version, b: Version, progress: Progress = lambda items, total: items) -> Difference:
    """What one must do to ``a`` to have ``b``.

    Args:
        progress: wraps the iteration over samples whose labels differ, to show it.
    """
    chains = [[v.name for v in version.chain()] for version in (a, b)]
    base = next((name for name in chains[0] if name in chains[1]), None)
    steps = {
        v.name: [dict(s.step) | {"version": s.name} for s in reversed(v.chain()[: _upto(chain, base)])]
        for v, chain in zip((a, b), chains, strict=True)
    }
    result = Difference(a.name, b.name, base, steps)
    result.added = sorted(b.by_id.keys() - a.by_id.keys())
    result.removed = sorted(a.by_id.keys() - b.by_id.keys())
    result.moved_groups = {
        g: [_fold(a.fold_of[g]), _fold(b.fold_of[g])]
        for g in sorted(a.fold_of.keys() & b.fold_of.keys())
        if a.fold_of[g] != b.fold_of[g]
    }
    both = [(a.by_id[i], b.by_id[i]) for i in sorted(a.by_id.keys() & b.by_id.keys())]
    for one, other in both:
        fields = _fields(one, other)
        if fields:
            result.rows[one.id] = fields
    redrawn = [(one, other) for one, other in both if _labels(one) != _labels(other)]
    if redrawn:
        readers = [SampleReader(v, labels=LABELS) for v in (a, b)]
        for one, other in progress(redrawn, len(redrawn)):
            result.changed += changes(one.id, readers[0].annotations(one.id), readers[1].annotations(other.id))
    result.changed.sort(key=lambda c: (c.iou, c.id, c.label, c.annotation))
    return result


def _upto(chain: list[str], base: str | None) -> int:
    return len(chain) if base is None else chain.index(base)


def _fold(fold: int) -> int | None:
    return None if fold < 0 else fold


def _labels(row: SampleRow) -> tuple:
    """What an annotation depends on: the label file's bytes, or the identity of a child that is rendered."""
    return (row.label_file, None) if row.is_original else (None, row.digest)


def _fields(one: SampleRow, other: SampleRow) -> dict[str, list]:
    found = {}
    for name in FIELDS:
        before, after = (_plain(getattr(row, name)) for row in (one, other))
        if before != after and not (name == "pixels" and None in (before, after)):
            found[name] = [before, after]
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if hasattr(value, "keys") else value
