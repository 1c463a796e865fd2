"""Where the time of a child goes: each step of ``augment.materialise.make_one`` by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from augment.materialise import CACHE_MB
from benchmarks.augment.work import cpu
from curate.files import digest_bytes, write_atomically
from curate.manifest import SampleRow, Version
from curate.sample.image import read_header
from curate.sample.labelfile import read_labels, write_labels
from curate.sample.labels import render_labels
from curate.sample.png import decode_gray_png, encode_png
from curate.sample.read import SampleReader
from curate.sample.render import render_image


def steps(rows: Sequence[SampleRow], version: Version) -> list[tuple]:
    """Milliseconds of CPU that each step takes for one child, or for one parent, over some children.

    Returns:
        (step, of what, ms, whether the floor needs it).
    """
    reader = SampleReader(version, CACHE_MB)
    recipes = [row.plan() for row in rows]
    parents = [version.by_id[p] for p in sorted({p for r in recipes for p in r.parents})]
    files = [((version.root / p.image).read_bytes(), (version.root / p.labels).read_bytes()) for p in parents]
    pictures = [render_image(r, reader.film) for r in recipes]
    labels = [render_labels(r, reader.annotations)[0] for r in recipes]
    encoded = [encode_png(p) for p in pictures]
    texts = [write_labels(a, "child", (p.shape[1], p.shape[0])) for a, p in zip(labels, pictures, strict=True)]
    folder = version.root / "derived"

    def write() -> None:
        for k, (picture, text) in enumerate(zip(encoded, texts, strict=True)):
            write_atomically(folder / f"{k}.png", picture)
            write_atomically(folder / f"{k}.json", text)

    each: Sequence[tuple[str, str, int, bool, Callable[[], object]]] = (
        ("decode", "parent", len(files), True, lambda: [decode_gray_png(f) for f, _ in files]),
        ("header, checksums, digests", "parent", len(files), False,
         lambda: [(read_header(f, Path("film.png")), digest_bytes(f), digest_bytes(t)) for f, t in files]),
        ("read labels, check them", "parent", len(files), False,
         lambda: [read_labels(t, "film.json", (p.width, p.height)) for (_, t), p in zip(files, parents, strict=True)]),
        ("pixels from decoded parents", "child", len(rows), False,
         lambda: [render_image(r, reader.film) for r in recipes]),
        ("polygons, cut exactly", "child", len(rows), False,
         lambda: [render_labels(r, reader.annotations) for r in recipes]),
        ("encode", "child", len(rows), True, lambda: [encode_png(p) for p in pictures]),
        ("labels to JSON", "child", len(rows), False,
         lambda: [write_labels(a, "child", (1, 1)) for a in labels]),
        ("digests of pixels and files", "child", len(rows), False,
         lambda: [digest_bytes(b) for p, e, t in zip(pictures, encoded, texts, strict=True) for b in (p.data, e, t)]),
        ("write", "child", len(rows), True, write),
    )
    taken = [1e3 * cpu(work) / n for _, _, n, _, work in each]
    shutil.rmtree(folder)
    return [
        (step, what, f"{ms:.1f}", "yes" if needed else "")
        for (step, what, _, needed, _), ms in zip(each, taken, strict=True)
    ]
