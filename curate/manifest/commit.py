"""Naming a version: all of it or nothing.

Order of writes: the files of samples, the split's table, the version's table, then the head, each through a temporary
file and one rename, each on disk before the next. Only the head names anything, so a crash at any point leaves the old
manifest and at most unnamed files, which the next run writes again.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import orjson
import pyarrow as pa

from curate.errors import LockedError, ManifestError, UsageError
from curate.files import digest_bytes, inside, sweep_temporary, sync_files, write_atomically
from curate.manifest.head import NAME, NAMED, PENDING, TABLES, head_bytes
from curate.manifest.row import SampleRow
from curate.manifest.splits import split_bytes
from curate.manifest.store import Manifest, Version, count_samples
from curate.manifest.table import to_bytes, to_table
from curate.software import versions_of_libraries

OWN = ("derived/", f"{TABLES}/")
"""Folders in which every file was written by carpus."""

WAY_OUT = f"wait for it or stop it (the lock ends with its process; if its machine is gone, delete {TABLES}/.lock)"


def _sweep(root: Path) -> None:
    """Remove what killed writers left: torn temporary files, and journals of versions that were named after all."""
    sweep_temporary(root, NAME)
    for folder in (root / TABLES, root / TABLES / "splits", root / TABLES / PENDING):
        sweep_temporary(folder)
    journals = sorted((root / TABLES / PENDING).glob("*.jsonl"))
    if journals and (root / NAME).exists():
        named = Manifest(root / NAME).head["versions"]
        with contextlib.suppress(OSError):
            for path in journals:
                if path.stem.rpartition("-")[0] in named:
                    path.unlink()
            (root / TABLES / PENDING).rmdir()  # only when nothing is left in it


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the data set's write lock; the system frees it when its holder ends, however it ends.

    Raises:
        LockedError: another process holds it; says which.
    """
    folder = root / TABLES
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ManifestError(folder, f"cannot be made: {error.strerror or error}") from None
    place, holder = folder / ".lock", folder / ".lock.holder"
    lock = filelock.FileLock(place, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        with contextlib.suppress(OSError):
            who = holder.read_text(encoding="utf-8").strip()
            raise LockedError(root / NAME, f"is being written by {who}; {WAY_OUT}") from None
        raise LockedError(root / NAME, f"is being written by another process; {WAY_OUT}") from None
    except OSError as error:
        raise ManifestError(place, f"cannot be locked: {error.strerror or error}") from None
    try:
        with contextlib.suppress(OSError):
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            who = f"process {os.getpid()} on {platform.node()} ({' '.join(sys.argv)[:80]}), since {since}"
            holder.write_text(who, encoding="utf-8")
        _sweep(root)
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def version_digest(
    parent: str | None, step: Mapping[str, Any], classes: Sequence[str], split_digest: str, table: pa.Table
) -> str:
    """What a version is: its parent's digest, its step, its split, and the identity of every sample it changed.

    File digests and the step's ``virtual`` are left out: a virtual version and the same one with files are the same.

    Args:
        table: the version's own, at least ``op``, ``id``, ``digest``, ``group`` and ``tags``, as ``to_table`` sorts it.
    """
    state = hashlib.sha256()
    same = {k: v for k, v in step.items() if k != "virtual"}
    head = {"parent": parent, "step": same, "classes": list(classes), "split": split_digest}
    state.update(orjson.dumps(head, option=orjson.OPT_SORT_KEYS))
    for batch in table.select(["op", "id", "digest", "group", "tags"]).to_batches(max_chunksize=1 << 16):
        for op, name, digest, group, tags in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            line = f"\n{name}\t{digest}\t{group}\t{','.join(tags or ())}" if op == "put" else f"\n-{name}"
            state.update(line.encode())
    return "sha256:" + state.hexdigest()


def _head_or_new(root: Path, name: str | None, classes: Sequence[str]) -> dict[str, Any]:
    if (root / NAME).exists():
        return copy.deepcopy(Manifest(root / NAME).head)
    return {"carpus": 1, "name": name or root.name, "classes": list(classes), "splits": {}, "versions": {}}


def _own_files(root: Path, put: Sequence[SampleRow]) -> Iterator[Path]:
    """The files that carpus wrote for some rows: a name is given to nothing that a power cut could take away."""
    for row in put:
        for relative in (row.image, row.labels):
            if relative is not None and relative.startswith(OWN) and (root / relative).is_file():
                yield inside(root, relative)


def check_name(name: str) -> None:
    """Refuse a version's name that a manifest cannot hold, before anything is made under it."""
    if not NAMED.fullmatch(name):
        raise UsageError("--name", f"{name[:80]!r} is not 1 to 64 letters (a to z), digits, dots, dashes, underscores")


def commit_version(
    root: Path,
    *,
    name: str,
    parent: Version | None,
    step: Mapping[str, Any],
    put: Sequence[SampleRow] = (),
    drop: Sequence[str] = (),
    new_split: tuple[str, Mapping[str, int], Mapping[str, Any]] | None = None,
    classes: Sequence[str] = (),
    dataset: str | None = None,
    refused: Sequence[Mapping[str, str]] = (),
    head: Mapping[str, Any] | None = None,
) -> Version:
    """Write a version's table and then its name. The caller holds ``writing(root)``.

    Args:
        name: of the version, not in use.
        parent: ``None`` for a first version.
        step: what made it, plain data with a ``name``.
        put, drop: samples added or replaced, ids that are gone.
        new_split: (name, group -> fold, settings) when this version brings a split; else the parent's is used.
        classes, dataset: for a new manifest only.
        refused: files that could not enter, listed with the version.
        head: to enter the version in, when more changes with it; else the one on disk.

    Raises:
        ManifestError: the name is in use. CarpusError: a file could not be written; the manifest is as it was.
    """
    check_name(name)
    head = _head_or_new(root, dataset, classes) if head is None else copy.deepcopy(dict(head))
    if name in head["versions"]:
        raise ManifestError(root / NAME, f"version {name} exists and versions never change")
    if new_split is not None:
        split, fold_of, settings = new_split
        data = split_bytes(fold_of)
        file = f"{TABLES}/splits/{split}.csv"
        entry = {"file": file, "digest": digest_bytes(data), "groups": len(fold_of), **settings}
        if split in head["splits"] and head["splits"][split] != entry:
            raise ManifestError(root / NAME, f"split {split} exists and splits never change")
        write_atomically(inside(root, file), data, durable=True)
        head["splits"][split] = entry
    else:
        split = parent.split
    sync_files(_own_files(root, put))
    table = to_table(put, drop)
    data = to_bytes(table)
    file = f"{TABLES}/{name}.parquet"
    write_atomically(inside(root, file), data, durable=True)
    entry = {
        "parent": None if parent is None else parent.name,
        "step": dict(step),
        "split": split,
        "samples": count_samples(parent, table),
        "digest": version_digest(
            None if parent is None else parent.digest, step, head["classes"], head["splits"][split]["digest"], table
        ),
        "table": {"file": file, "rows": len(put) + len(drop), "digest": digest_bytes(data)},
        "made_with": versions_of_libraries(),
    }
    if refused:
        entry["refused"] = [dict(r) for r in refused]
    head["versions"][name] = entry
    write_atomically(root / NAME, head_bytes(head), durable=True)
    return Manifest(root / NAME).version(name)


def same_step(manifest: Manifest, parent: Version | None, step: Mapping[str, Any]) -> Version | None:
    """An existing version made from the same parent by the same step: asking twice is a no-op that says so."""
    name = None if parent is None else parent.name
    for version in manifest.versions():
        if version.parent == name and dict(version.step) == dict(step):
            return version
    return None


def next_split_name(manifest: Manifest | None) -> str:
    """s1, s2, ...: one more than the splits there are."""
    return f"s{1 if manifest is None else len(manifest.head['splits']) + 1}"
