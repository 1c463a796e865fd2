"""A version's samples as objects: columns are what is held, objects are made where somebody looks.

A row takes half a kilobyte as columns and two as an object. So a version of a hundred thousand is held as objects after
the first look, and one of a million is gone through in little more than its columns take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, overload

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ManifestError
from curate.manifest.row import SampleRow

BLOCK = 1 << 12
"""Rows that are made at a time."""
KEPT = 32
"""Blocks that are kept once they are made; the rows of others are made anew each time."""
COLUMNS = [
    "id", "image", "labels", "group", "fold", "side", "width", "height", "tags", "parents", "recipe", "digest",
    "pixels", "file", "label_file", "meta", "dropped",
]  # fmt: skip
"""In the order of ``SampleRow``, in which ``split`` follows from ``fold``."""


class Rows(Sequence[SampleRow]):
    """Rows of a version's tables, sorted by id.

    Args:
        layers: the tables of the version and of those it was made from, each with a mask, (rows,) bool, of what is
            to be seen of it: "put" rows that no later version replaced or dropped.
        fold_of: group -> fold, -1 for test: where originals get their fold from.

    Raises:
        ManifestError: an original's group is not in the split.
    """

    def __init__(self, layers: Sequence[tuple[pa.Table, np.ndarray]], fold_of: Mapping[str, int]):
        self._fold_of, self._kept = fold_of, {}
        self._batches = [batch for table, _ in layers for batch in table.to_batches()]
        self._starts = np.cumsum([0, *(b.num_rows for b in self._batches)])
        seen = np.concatenate([np.zeros(0, bool), *(mask for _, mask in layers)])
        if len(layers) > 1:  # each table is sorted
            names = pa.chunked_array([b["id"] for b in self._batches], pa.string())
            order = pc.sort_indices(names).to_numpy()
            self._places = order[seen[order]].astype(np.int64)
        else:
            self._places = np.flatnonzero(seen)
        self._check(layers)

    def _check(self, layers: Sequence[tuple[pa.Table, np.ndarray]]) -> None:
        known = pa.array(self._fold_of.keys(), pa.string())
        for table, mask in layers:
            lost = pc.and_(pc.is_null(table["recipe"]), pc.invert(pc.is_in(table["group"], known)))
            lost = np.flatnonzero(lost.to_numpy() & mask)
            if len(lost):
                name, group = (table[c][int(lost[0])].as_py() for c in ("id", "group"))
                raise ManifestError(name, f"group {group} is not in the split")

    def __reduce__(self) -> tuple:
        return _again, (self._batches, self._starts, self._places, self._fold_of)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> SampleRow: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[SampleRow, ...]: ...

    def __getitem__(self, at: int | slice) -> SampleRow | tuple[SampleRow, ...]:
        if isinstance(at, slice):
            return tuple(self[k] for k in range(*at.indices(len(self))))
        at = range(len(self))[at]  # negative ones, and the error of those beyond
        number = at // BLOCK
        if number in self._kept or len(self._kept) < KEPT:
            return self._block(number)[at % BLOCK]
        return self._make(self._places[at : at + 1])[0]

    def __iter__(self) -> Iterator[SampleRow]:
        return chain.from_iterable(self._block(k) for k in range(-(-len(self) // BLOCK)))

    def ids(self) -> list[str]:
        """The ids, in order."""
        names = list(chain.from_iterable(b["id"].to_pylist() for b in self._batches))
        return names if len(names) == len(self) and len(self._batches) == 1 else [names[k] for k in self._places]

    def _block(self, number: int) -> list[SampleRow]:
        rows = self._kept.get(number)
        if rows is None:
            rows = self._make(self._places[number * BLOCK : (number + 1) * BLOCK])
            if len(self._kept) < KEPT:
                self._kept[number] = rows
        return rows

    def _make(self, places: np.ndarray) -> list[SampleRow]:
        """The rows at some places, (n,) int64, counted through all the tables."""
        result: list[Any] = [None] * len(places)
        of = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(of):
            at = np.flatnonzero(of == number)
            taken = self._batches[number].take(pa.array(places[at] - self._starts[number]))
            try:
                for k, row in zip(at, _rows(taken, self._fold_of), strict=True):
                    result[k] = row
            except ValueError as error:  # text that is not UTF-8, a recipe that is not JSON
                raise ManifestError(None, f"a row of this version's table is damaged: {error}") from None
        return result


def _again(batches: list[pa.RecordBatch], starts: np.ndarray, places: np.ndarray, fold_of: Mapping[str, int]) -> Rows:
    """What was pickled: the columns, without the objects that had been made of them."""
    rows = Rows.__new__(Rows)
    rows._batches, rows._starts, rows._places, rows._fold_of, rows._kept = batches, starts, places, fold_of, {}
    return rows


class ById(Mapping[str, SampleRow]):
    """The same rows by their ids."""

    def __init__(self, rows: Rows):
        self._rows = rows
        self._at = {name: k for k, name in enumerate(rows.ids())}

    def __getitem__(self, name: str) -> SampleRow:
        return self._rows[self._at[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._at

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


def rows_of(table: pa.Table, fold_of: Mapping[str, int]) -> Rows:
    """The "put" rows of one table, as they stand in it; raises as ``Rows`` does."""
    return Rows([(table, is_put(table))], fold_of)


def is_put(table: pa.Table) -> np.ndarray:
    """Which rows of a table add or replace a sample, (rows,) bool."""
    return pc.fill_null(pc.equal(table["op"], "put"), False).to_numpy()


def _rows(batch: pa.RecordBatch, fold_of: Mapping[str, int]) -> Iterator[SampleRow]:
    """Objects of some rows; what rows have in common (tags, groups, metadata) they share."""
    shared: dict[Any, Any] = {}
    columns = [_tuples(c) if pa.types.is_list(c.type) else c.to_pylist() for c in batch.select(COLUMNS).columns]
    for (
        name, image, labels, group, fold, side, width, height, tags, parents, recipe, digest, pixels, file, label_file,
        meta, dropped,
    ) in zip(*columns, strict=True):  # fmt: skip
        if not recipe:
            fold = fold_of[group]
        test = fold is None or fold < 0
        meta = meta or "{}"
        if meta not in shared:
            shared[meta] = orjson.loads(meta)
        yield SampleRow(
            name, image, labels, shared.setdefault(group, group), None if test else fold, "test" if test else "train",
            shared.setdefault(side, side), width, height, shared.setdefault(tags, tags), parents,
            orjson.loads(recipe) if recipe else None, digest, pixels, file, label_file, shared[meta],
            orjson.loads(dropped) if dropped else None,
        )  # fmt: skip


def _tuples(column: pa.ListArray) -> list[tuple[str, ...]]:
    """A column of lists as tuples; far quicker than its own way to Python."""
    ends = np.cumsum(pc.fill_null(column.value_lengths(), 0).to_numpy(zero_copy_only=False)).tolist()
    flat = column.flatten().to_pylist()
    return [tuple(flat[a:b]) for a, b in zip([0, *ends], ends, strict=False)]
