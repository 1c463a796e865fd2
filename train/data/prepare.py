"""Fill the store with what a run needs, before it starts: every film is read here, and a bad one is named here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import joblib

from curate.manifest.row import SampleRow
from curate.manifest.store import Manifest, Version
from curate.sample.image import background_level
from curate.sample.read import SampleReader
from train.data.films import FilmStore, training_scale, trim
from train.data.natives import NativeStore
from train.data.windows import has_windows

_BLOCK = 16  # samples a task: enough to reuse decoded parents, few enough to show progress


def prepare(
    version: Version,
    rows: Iterable[SampleRow],
    store: FilmStore | NativeStore,
    *,
    limit: int,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Bring samples to training size and store them, those that are not stored yet.

    A child without files is rendered from its parents at training scale, with one resampling; for patches at the
    films' own size its parents are stored, and where windows of it can be rendered from them, only its labels.

    Args:
        rows: samples of ``version``. limit: bytes that the whole cache may take; what is needed now is kept beyond it.
        workers: processes. progress: called with how many are done, of how many.

    Returns:
        how many were made.

    Raises:
        CarpusError: a film or label file cannot be read; it is named.
    """
    rows = list({row.digest: row for row in rows}.values())
    if isinstance(store, NativeStore):
        rows = _with_parents(version, rows)
    missing = sorted((row for row in rows if row.digest not in store), key=lambda row: (row.parents, row.id))
    for row in rows:
        if row.digest in store:
            os.utime(store.path(row.digest))
    blocks = [missing[i : i + _BLOCK] for i in range(0, len(missing), _BLOCK)]
    done = 0
    if workers > 1 and len(blocks) > 2 * workers:
        tasks = (
            joblib.delayed(_prepare_apart)(version.manifest.path, version.name, [r.id for r in block], store)
            for block in blocks
        )
        for count in joblib.Parallel(workers, return_as="generator_unordered")(tasks):
            done += count
            progress(done, len(missing))
    elif missing:
        reader = SampleReader(version)
        for block in blocks:
            done += prepare_rows(reader, block, store)
            progress(done, len(missing))
    trim(store.folder.parent, limit, frozenset(store.path(row.digest) for row in rows))
    return done


def prepare_rows(reader: SampleReader, rows: Sequence[SampleRow], store: FilmStore | NativeStore) -> int:
    """Store these samples, one after another; returns how many."""
    for row in rows:
        if isinstance(store, NativeStore):
            _store_native(reader, row, store)
            continue
        scale = training_scale(row.width, row.height, store.size)
        store.put(row.digest, reader.image(row.id, scale), reader.annotations(row.id, scale))
    return len(rows)


def _with_parents(version: Version, rows: Sequence[SampleRow]) -> list[SampleRow]:
    """The samples, and the parents from which windows of them are rendered."""
    parents = [version.known[name] for row in rows if _by_windows(version.known, row) for name in row.parents]
    return list({row.digest: row for row in (*rows, *parents)}.values())


def _by_windows(known: Mapping[str, SampleRow], row: SampleRow) -> bool:
    """Whether patches of a sample are rendered from its parents, so that no pixels of its own are kept."""
    if row.recipe is None or row.image is not None:
        return False
    return has_windows(row.plan()) and not any(_by_windows(known, known[name]) for name in row.parents)


def _store_native(reader: SampleReader, row: SampleRow, store: NativeStore) -> None:
    size = (row.width, row.height)
    if _by_windows(reader.rows, row):
        fill = row.plan().fill
        background = reader.film(row.plan().placements[0].parent).background if fill == "background" else int(fill)
        store.put(row.digest, None, size, background, reader.annotations(row.id))
    else:
        image = reader.image(row.id)
        store.put(row.digest, image, size, background_level(image), reader.annotations(row.id))


_OPEN: dict[tuple[Path, str], tuple[Version, SampleReader]] = {}


def _prepare_apart(manifest: Path, name: str, ids: Sequence[str], store: FilmStore | NativeStore) -> int:
    """In another process, which opens the version once and keeps its decoded parents from task to task."""
    if (manifest, name) not in _OPEN:
        _OPEN.clear()
        version = Manifest.open(manifest).version(name)
        _OPEN[manifest, name] = version, SampleReader(version)
    version, reader = _OPEN[manifest, name]
    return prepare_rows(reader, [version.known[i] for i in ids], store)
