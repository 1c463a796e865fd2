"""A manifest on disk and the versions in it, for reading."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import UsageError
from curate.files import inside
from curate.manifest.head import TABLES, find_manifest, read_head
from curate.manifest.row import SampleRow
from curate.manifest.rows import ById, Rows, is_put, rows_of
from curate.manifest.splits import TEST, read_split, split_columns
from curate.manifest.table import read_rows, read_table


@dataclass(frozen=True, eq=False, repr=False)
class Version:
    """A named, immutable set of samples: its parent's, and what its own step changed."""

    manifest: Manifest
    name: str
    entry: Mapping[str, Any]
    verify: bool = True

    @property
    def parent(self) -> str | None:
        """The version that it was made from; ``None`` for one read from files."""
        return self.entry["parent"]

    @property
    def step(self) -> Mapping[str, Any]:
        """What made it, plain data with a ``name``."""
        return self.entry["step"]

    @property
    def digest(self) -> str:
        """``sha256:...`` of its lineage and its samples."""
        return self.entry["digest"]

    @property
    def split(self) -> str:
        """Name of its split."""
        return self.entry["split"]

    @property
    def split_digest(self) -> str:
        """``sha256:...`` of its split's table."""
        return self.manifest.head["splits"][self.split]["digest"]

    @property
    def folds(self) -> int:
        """How many folds its split has, beside the test groups."""
        return self.manifest.head["splits"][self.split]["folds"]

    def __len__(self) -> int:
        return self.entry["samples"]

    def __repr__(self) -> str:
        return f"<Version {self.name} of {self.root}: {len(self)} samples, {self.step['name']}>"

    @cached_property
    def fold_of(self) -> dict[str, int]:
        """group -> fold, -1 for test."""
        return read_split(*self._split_file)

    @property
    def _split_file(self) -> tuple[Path, str | None]:
        info = self.manifest.head["splits"][self.split]
        return inside(self.manifest.root, info["file"]), info["digest"] if self.verify else None

    def own_table(self, columns: Sequence[str] | None = None, pages_only: bool = False) -> pa.Table:
        """The rows that this version's own step wrote.

        Args:
            columns: only these. pages_only: do not hash the whole file for them; see ``read_table``.
        """
        info = self.entry["table"]
        path = inside(self.manifest.root, info["file"])
        return read_table(path, info["digest"] if self.verify else None, columns, pages_only)

    def own_rows(self, samples: Iterable[str]) -> pa.Table:
        """Of the rows that this version's own step wrote, those of some samples."""
        info = self.entry["table"]
        ids = pa.array(sorted(samples), pa.string())
        return read_rows(inside(self.manifest.root, info["file"]), info["digest"] if self.verify else None, ids)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every row of this version, as an Arrow table sorted by table then id: made to filter without objects.

        Args:
            columns: only these (and ``op`` and ``id``, which the overlay of versions needs); then nothing else of the
                file is read, and what is read is checked page by page rather than by the digest of the whole.
        """
        wanted = None if columns is None else list(dict.fromkeys(["op", "id", *columns]))
        layers = (t if seen.all() else t.filter(pa.array(seen)) for t, seen in self._layers(wanted))
        return pa.concat_tables(reversed(list(layers)))

    def _layers(self, columns: Sequence[str] | None) -> Iterator[tuple[pa.Table, np.ndarray]]:
        """The tables of this version and those it was made from, newest first, and which rows of each are in it."""
        hidden: list[pa.Array] = []
        for version in self.chain():
            layer = version.own_table(columns, pages_only=columns is not None)
            seen = is_put(layer)
            if hidden:
                seen &= ~pc.is_in(layer["id"], pa.chunked_array(hidden).combine_chunks()).to_numpy()
            hidden += layer["id"].chunks
            yield layer, seen

    def films(self, fold: int | None, columns: Sequence[str] = ()) -> pa.Table:
        """The originals of a fold (``None``: of the test set), without making objects.

        Args:
            columns: beside ``op``, ``id``, ``group`` and ``recipe``.
        """
        table = self.table(["group", "recipe", *columns])
        groups, folds = split_columns(*self._split_file)
        groups = groups.filter(pc.equal(folds, TEST if fold is None else fold))
        return table.filter(pc.and_(pc.is_in(table["group"], groups), pc.is_null(table["recipe"])))

    def recount(self) -> int:
        """How many samples the tables hold, whatever the head says."""
        parent = None if self.parent is None else self.manifest.version(self.parent, self.verify)
        return count_samples(parent, self.own_table(["op", "id"]))

    def chain(self) -> list[Version]:
        """This version and those it was made from, newest first."""
        result, name = [], self.name
        while name is not None:
            result.append(Version(self.manifest, name, self.manifest.head["versions"][name], self.verify))
            name = result[-1].parent
        return result

    @cached_property
    def samples(self) -> Rows:
        """Every sample, sorted by id; objects are made when they are looked at, see ``Rows``."""
        return Rows(list(self._layers(None)), self.fold_of)

    @cached_property
    def by_id(self) -> Mapping[str, SampleRow]:
        """The same samples by their ids."""
        return ById(self.samples)

    @cached_property
    def known(self) -> Mapping[str, SampleRow]:
        """This version's samples, and those of earlier versions from which its children may still descend."""
        gone: dict[str, SampleRow] = {}
        rows = ChainMap(gone, self.by_id)
        for version in self.chain():
            table = version.own_table(["op", "id"], pages_only=True)
            names = [i for i in table.filter(pa.array(is_put(table)))["id"].to_pylist() if i not in rows]
            if names:
                gone.update((r.id, r) for r in rows_of(version.own_rows(names), version.fold_of))
            other = version.step.get("other") if version.step["name"] == "merge" else None
            if other is not None:  # what the joined version descended from is known as well
                known = Version(self.manifest, other, self.manifest.head["versions"][other], self.verify).known
                gone.update((i, known[i]) for i in known if i not in rows)
        return rows

    def pick(self, samples: Iterable[str]) -> dict[str, SampleRow]:
        """Some samples by id, without making objects of the others; ids that this version has not are left out."""
        wanted, found = set(samples), {}
        for version in self.chain():
            table = version.own_rows(wanted)
            wanted -= set(table["id"].to_pylist())
            found.update((r.id, r) for r in rows_of(table, self.fold_of))
            if not wanted:
                break
        return found

    def descendants(self, roots: Iterable[str]) -> set[str]:
        """Ids of this version's children that were made from one of some samples, or from a child of it."""
        parents: dict[str, Sequence[str]] = {}
        here = set()
        for version in reversed(self.chain()):
            table = version.own_table(["op", "id", "parents"], pages_only=True)
            gone = table.filter(pc.equal(table["op"], "drop"))["id"].to_pylist()
            table = table.filter(pc.greater(pc.list_value_length(table["parents"]), 0))
            here = here.difference(gone).union(table["id"].to_pylist())
            parents.update(zip(table["id"].to_pylist(), table["parents"].to_pylist(), strict=True))
        found, size = set(roots), -1
        while size != len(found):
            size = len(found)
            found.update(i for i, above in parents.items() if i not in found and not found.isdisjoint(above))
        return found & here

    @property
    def root(self) -> Path:
        """The folder to which all paths are relative."""
        return self.manifest.root

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of a label plane's bits."""
        return self.manifest.classes

    def row(self, sample: str) -> SampleRow:
        """One sample's row; raises ``UsageError`` when this version has none of that id."""
        if sample not in self.by_id:
            raise UsageError(sample, f"is no sample of {self.name}")
        return self.by_id[sample]


def count_samples(parent: Version | None, table: pa.Table) -> int:
    """Samples of a version from its parent's count and its own table, without making objects of either."""
    if parent is None:
        return table.num_rows
    known = pc.is_in(table["id"], parent.table(["id"])["id"].combine_chunks())
    puts = pc.equal(table["op"], "put")
    added = pc.sum(pc.and_(puts, pc.invert(known))).as_py() or 0
    dropped = pc.sum(pc.and_(pc.invert(puts), known)).as_py() or 0
    return len(parent) + added - dropped


class Manifest:
    """A data set's versions, as its head was when this was opened: what commits since is seen by opening it anew.

    Reading never waits for a writer: the head is replaced in one rename.
    """

    def __init__(self, path: Path, head: dict[str, Any] | None = None):
        """Args: path: of the head. head: what is about to be written there, when it is not what is there."""
        self.path = Path(os.path.abspath(path))
        self.head = read_head(self.path) if head is None else head

    @classmethod
    def find(cls, place: str | os.PathLike | None = None) -> Manifest:
        """Open the manifest here, in a parent folder, or at the given file or folder."""
        return cls(find_manifest(None if place is None else Path(place)))

    open = find

    def __repr__(self) -> str:
        names = list(self.head["versions"])
        return f"<Manifest {self.path}: {len(names)} versions, the newest {names[-1]}>"

    @property
    def root(self) -> Path:
        """The folder to which all paths are relative."""
        return self.path.parent

    @property
    def tables(self) -> Path:
        """The folder of tables, splits and flags."""
        return self.root / TABLES

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of a label plane's bits."""
        return tuple(self.head["classes"])

    def versions(self) -> tuple[Version, ...]:
        """All versions, oldest first."""
        return tuple(Version(self, name, entry) for name, entry in self.head["versions"].items())

    def version(self, name: str | None = None, verify: bool = True) -> Version:
        """A version by its name or a tag; the newest when none is given.

        Args:
            verify: check the tables' digests when they are read.

        Raises:
            UsageError: there is no version of that name.
        """
        names = list(self.head["versions"])
        name = names[-1] if name is None else self.head.get("tags", {}).get(name, name)
        if name not in self.head["versions"]:
            raise UsageError(name, f"is no version of this manifest; there are: {', '.join(names)}")
        return Version(self, name, self.head["versions"][name], verify)

    def next_name(self) -> str:
        """v1, v2, ...: one more than the highest."""
        numbers = [int(n[1:]) for n in self.head["versions"] if n[:1] == "v" and n[1:].isdigit()]
        return f"v{max(numbers, default=0) + 1}"

    def file(self, relative: str) -> Path:
        """The place of a file that a row names; raises ``ManifestError`` when it would leave the data set."""
        return inside(self.root, relative)
