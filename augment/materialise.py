"""Recipes become files: rendered, encoded and written by any number of workers, with the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from curate.errors import CarpusError
from curate.files import digest_bytes, inside, write_atomically
from curate.manifest import Manifest, SampleRow, Version
from curate.sample.image import encode_png
from curate.sample.labelfile import write_labels
from curate.sample.read import LABELS, SampleReader
from curate.sample.recipe import Recipe
from curate.sample.render import render

CACHE_MB = 168
"""Decoded films that each worker keeps: those of one block (see ``augment.plan.draw``) of 2048 x 2048 with their shrunk
copies. With the interpreter and the libraries a worker stays below 400 MB."""

BATCH = 8
"""Children handed to a worker at a time."""


@dataclass(frozen=True)
class Made:
    """One child on disk: the digests that its row gets, and what its recipe dropped."""

    id: str
    image: str
    labels: str
    pixels: str
    file: str
    label_file: str
    dropped: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def into(self, row: SampleRow) -> SampleRow:
        """The row with its files."""
        return replace(row, **{k: v for k, v in vars(self).items() if k != "id"})


def file_names(version: str, sample: str) -> tuple[str, str]:
    """Where a child's picture and labels go, relative to the manifest."""
    stem = f"derived/{version}/{sample}"
    return f"{stem}.png", f"{stem}.json"


def make_one(row: SampleRow, reader: SampleReader, image: str, labels: str) -> Made:
    """Render one child and write its two files.

    Raises:
        CarpusError: a parent that cannot be read or fails its digest, or a file that cannot be written.
    """
    rendered = render(Recipe.from_dict(row.recipe), reader.film, reader.annotations)
    picture = encode_png(rendered.image if rendered.full is None else rendered.full)
    name = PurePosixPath(image).stem
    text = write_labels(rendered.annotations, name, (rendered.image.shape[1], rendered.image.shape[0]))
    write_atomically(inside(reader.root, image), picture)
    write_atomically(inside(reader.root, labels), text)
    return Made(
        row.id,
        image,
        labels,
        digest_bytes(np.ascontiguousarray(rendered.image).data),
        digest_bytes(picture),
        digest_bytes(text),
        rendered.dropped.to_dict(),
    )


_READERS: dict[tuple[str, str], SampleReader] = {}


def _reader(manifest: Path, version: str) -> SampleReader:
    """This worker's reader, which keeps its films from one batch to the next."""
    key = (str(manifest), version)
    if key not in _READERS:
        _READERS.clear()
        _READERS[key] = SampleReader(Manifest.open(manifest).version(version), CACHE_MB, labels=LABELS)
    return _READERS[key]


def _work(batch: Sequence[tuple[SampleRow, str, str]], manifest: Path, version: str) -> list[Made | CarpusError]:
    """Make some children in this worker; a fault ends the batch and comes last."""
    cv2.setNumThreads(1)
    results: list[Made | CarpusError] = []
    try:
        for row, image, labels in batch:
            results.append(make_one(row, _reader(manifest, version), image, labels))
    except CarpusError as error:
        results.append(error)
    return results


def make_files(
    rows: Sequence[SampleRow], names: Sequence[tuple[str, str]], parents: Version, workers: int
) -> Iterator[Made]:
    """Make many children; yields each as its files are on disk.

    Neighbours share films, so each worker gets one contiguous run of them.

    Args:
        names: (image, labels) of each row, relative to the manifest.
        parents: the version whose samples the recipes name.

    Raises:
        CarpusError: the first fault; what was yielded before stays.
    """
    jobs = [(row, *name) for row, name in zip(rows, names, strict=True)]
    if not jobs:
        return
    if workers <= 1:
        cv2.setNumThreads(1)
        reader = SampleReader(parents, CACHE_MB, labels=LABELS)
        for row, image, labels in jobs:
            yield make_one(row, reader, image, labels)
        return
    where = (parents.manifest.path, parents.name)
    import joblib  # takes a tenth of a second: only for several workers
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    run = -(-len(jobs) // workers)
    lanes = [jobs[k : k + run] for k in range(0, len(jobs), run)]
    batches = [lane[k : k + BATCH] for k in range(0, run, BATCH) for lane in lanes if lane[k : k + BATCH]]
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
    try:
        for results in parallel(joblib.delayed(_work)(batch, *where) for batch in batches):
            yield from _raised(results)
    except TerminatedWorkerError:
        raise CarpusError(
            parents.manifest.path, "a worker was killed (out of memory?); run the command again to resume"
        ) from None


def _raised(results: Sequence[Made | CarpusError]) -> Iterator[Made]:
    for result in results:
        if isinstance(result, CarpusError):
            raise result
        yield result
