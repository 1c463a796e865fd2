"""Throw mutated files at every parser: what comes back is a reading or one of our errors, soon, and nothing else.

    python -m tests.faults.fuzz [seconds] [parser ...]

With atheris installed the search is guided by coverage; without it the same mutations are drawn at random. What breaks
is written to the folder ``found/`` below the current one, and belongs into ``tests/faults/corpus`` once it is mended.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from curate.errors import CarpusError
from curate.flags.store import load_flags
from curate.formats.registry import FORMATS
from curate.manifest.head import read_head
from curate.manifest.splits import read_split
from curate.manifest.table import read_table
from curate.sample.image import decode, write_png
from curate.sample.labelfile import read_derived, read_labels
from curate.sample.recipe import Recipe

SLOW = 10.0
"""Seconds that no input of a few kilobytes may take."""

SIZE = (24, 16)


def _png(folder: Path) -> bytes:
    write_png(folder / "seed.png", np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE[::-1]))
    return (folder / "seed.png").read_bytes()


def _square(x: float = 2) -> list[list[float]]:
    return [[x, 2], [x + 9, 2], [x + 9, 11], [x, 11]]


def _labels() -> bytes:
    entry = {"id": "a-1", "type": "poly_seg", "label": "a", "points": _square(), "holes": [_square(4.5)],
             "attributes": {"source": "x#1", "weight": 1.0}}  # fmt: skip
    return orjson.dumps({"annotations": [entry, entry], "attributes": {"source": {"file": "x", "digest": "y"}}})


def _coco() -> bytes:
    flat = [c for p in _square() for c in p]
    shapes = [[flat], {"size": [16, 24], "counts": [30, 4, 350]}, {"size": [16, 24], "counts": "P3"}]
    return orjson.dumps({
        "images": [{"id": 1, "file_name": "x.png", "width": 24, "height": 16}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": k, "image_id": 1, "category_id": 1, "segmentation": s} for k, s in enumerate(shapes)],
    })  # fmt: skip


def _datumaro() -> bytes:
    one = {"id": 1, "type": "polygon", "label_id": 0, "group": 1, "points": [c for p in _square() for c in p]}
    item = {"id": "x", "annotations": [one, one], "image": {"path": "x.png", "size": [16, 24]}}
    return orjson.dumps({"categories": {"label": {"labels": [{"name": "a"}]}}, "items": [item]})


_CVAT = (b'<annotations><version>1.1</version><image id="0" name="x.png" width="24" height="16"><polygon label="a" '
         b'points="2,2;9,2;9,9"/><mask label="a" rle="2,3,4" left="1" top="1" width="3" height="3"/><box label="b" '
         b'xtl="1" ytl="1" xbr="5" ybr="6"/></image></annotations>')  # fmt: skip


def _format(kind: str, label_file: str, image: str = "images/x.png") -> Callable[[bytes, Path], None]:
    """A parser that is a whole format's reader over a folder of one picture."""

    def parse(data: bytes, folder: Path) -> None:
        place = folder / kind
        if not (place / image).exists():
            (place / image).parent.mkdir(parents=True, exist_ok=True)
            (place / image).write_bytes(_png(folder))
        if kind == "yolo" and label_file.endswith(".txt"):
            (place / "data.yaml").write_text("names: [a, b]\n")
        if kind == "masks":
            (place / "classes.txt").write_text("a\nb\n")
        path = place / label_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        FORMATS[kind].read(place, None, None)

    return parse


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    def parse(data: bytes, folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        read(folder / name)

    return parse


def _recipe(data: bytes, folder: Path) -> None:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if isinstance(document, dict):
        Recipe.from_dict(document).canonical()


_HEAD = b"""carpus: 1
name: x
classes:
- a
splits:
  s1: {file: data_manifest/splits/s1.csv, digest: 'sha256:%b', groups: 1, folds: 2, test: 0.0, seed: 0}
versions:
  v1:
    parent: null
    step: {name: init}
    split: s1
    samples: 1
    digest: sha256:%b
    table: {file: data_manifest/v1.parquet, rows: 1, digest: 'sha256:%b'}
""" % ((b"0" * 64,) * 3)

_RECIPE = {"operator": "mosaic", "operator_version": 1, "seed": 1, "size": [24, 16], "fill": "background",
           "placements": [{"parent": "x", "affine": [[1, 0, 0], [0, 1, 0]], "region": [-0.5, -0.5, 23.5, 15.5],
                           "field": {"rows": 2, "cols": 2, "dx": [0, 0, 0, 0], "dy": [0, 0, 0, 0]}}],
           "filters": [{"name": "CLAHE", "params": {}, "scale": 1}]}  # fmt: skip
_LABELME = orjson.dumps({"shapes": [{"label": "a", "points": _square(), "group_id": 1}, {"label": "b", "points":
                         _square()[:2], "shape_type": "rectangle"}], "imagePath": "x.png"})  # fmt: skip
_GEO = orjson.dumps({"features": [{"properties": {"label": "a"}, "geometry": {"type": "MultiPolygon", "coordinates":
                     [[[*_square(), _square()[0]]]]}}]})  # fmt: skip
_FLAGS = orjson.dumps({"id": "x", "image": "x", "digest": "d", "flags": [], "measures": {}, "kept": {}}) + b"\n"


def parsers(folder: Path) -> dict[str, tuple[bytes, Callable[[bytes, Path], None]]]:
    """name -> (a good file, what reads it)."""
    return {
        "picture": (_png(folder), lambda data, _: decode(data, Path("x.png")) and None),
        "labels": (_labels(), lambda data, _: read_labels(data, "x.json", SIZE) and None),
        "derived": (_labels(), lambda data, _: read_derived(data, "x.json") and None),
        "recipe": (orjson.dumps(_RECIPE), _recipe),
        "head": (_HEAD, _file("data_manifest.yaml", read_head)),
        "split": (b"group,fold\nA,0\nB,test\n", _file("s1.csv", read_split)),
        "table": (_table(), _file("v1.parquet", read_table)),
        "flags": (_FLAGS, _file("data_manifest/flags.jsonl", lambda path: load_flags(path.parents[1]))),
        "coco": (_coco(), _format("coco", "annotations.json")),
        "labelme": (_LABELME, _format("labelme", "x.json", "x.png")),
        "geojson": (_GEO, _format("geojson", "labels/x.geojson")),
        "cvat": (_CVAT, _format("cvat", "annotations.xml")),
        "datumaro": (_datumaro(), _format("datumaro", "annotations/default.json")),
        "yolo": (b"0 0.1 0.1 0.5 0.1 0.5 0.6\n", _format("yolo", "labels/x.txt")),
        "yolo-names": (b"names: {0: a, 1: b}\npath: .\n", _format("yolo", "data.yaml")),
        "nnunet": (orjson.dumps({"labels": {"background": 0, "a": 1}, "carpus": {"x": {"group": "g"}}}),
                   _format("nnunet", "dataset.json", "imagesTr/x_0000.png")),
        "masks": (_png(folder), _format("masks", "masks/x.png")),
    }  # fmt: skip


def _table() -> bytes:
    from curate.manifest.row import SampleRow
    from curate.manifest.table import to_bytes, to_table

    return to_bytes(to_table([SampleRow("x", "x.png", "x.json", "A", 0, "train", None, 24, 16, tags=("t",))]))


def attempt(parse: Callable[[bytes, Path], None], data: bytes, folder: Path) -> None:
    """One input: anything but a reading, one of our errors, or being quick is a find."""
    start = time.monotonic()
    said = ""
    try:
        parse(data, folder)
    except CarpusError as error:
        said = error.detail
    assert "\n" not in said, "more than one line"
    assert time.monotonic() - start < SLOW, "slow"


WORDS = (b"null", b"true", b"-1", b"1e999", b"1e308", b"999999999999999999999", b"[]", b"{}", b'""', b"NaN", b"\x00",
         b"[[[[[[[[[[", b"../../../x", b"/etc/x", b'"\\ud800"', b"0.5", b"*x", b"&x", b"!!python/object:x", b"\xff\xfe")
"""What is spliced in: values of other types and sizes."""  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """A few random changes: bytes, words, numbers, pieces left out, doubled or moved."""
    for _ in range(int(rng.integers(1, 6))):
        at, upto = sorted(int(n) for n in rng.integers(0, len(data) + 1, 2))
        upto = min(upto, at + int(rng.integers(1, 24)))
        kind = int(rng.integers(6))
        if kind == 0:
            data = data[:at] + rng.bytes(int(rng.integers(1, 4))) + data[upto:]
        elif kind == 1:
            data = data[:at] + WORDS[int(rng.integers(len(WORDS)))] + data[upto:]
        elif kind == 2:
            data = data[:at] + data[upto:]
        elif kind == 3:
            data = data[:at] + data[at:upto] * int(rng.integers(2, 5)) + data[upto:]
        elif kind == 4:
            data = data.replace(*(WORDS[int(rng.integers(len(WORDS)))] if k else data[at:upto] for k in (0, 1)), 1)
        else:
            data = data[: max(at, 1)]
        data = data or b" "
    return data


def at_random(names: list[str], seconds: float, seed: int, folder: Path, count: int | None = None) -> int:
    """Mutations of good files for some seconds (or so many a parser); how many were tried."""
    tried = 0
    known = parsers(folder)
    for k, name in enumerate(names):
        good, parse = known[name]
        rng = np.random.default_rng([seed, k])
        end, mine = time.monotonic() + seconds / len(names), 0
        while (mine < count) if count is not None else (time.monotonic() < end):
            data = mutate(good, rng)
            mine += 1
            try:
                attempt(parse, data, folder)
            except BaseException:
                Path("found").mkdir(exist_ok=True)
                Path(f"found/{name}-{seed}-{mine}").write_bytes(data)
                raise
        tried += mine
    return tried


def guided(name: str, seconds: float, folder: Path) -> None:
    """Coverage-guided, for ever or for some seconds; ends this process."""
    import atheris

    good, parse = parsers(folder)[name]
    atheris.instrument_all()
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "good").write_bytes(good)
    options = [f"-max_total_time={int(seconds)}", "-max_len=8192", f"-timeout={int(SLOW)}", "-verbosity=0"]
    atheris.Setup([sys.argv[0], str(corpus), *options], lambda data: attempt(parse, data, folder))
    atheris.Fuzz()


def main(arguments: list[str]) -> None:
    seconds = float(arguments[0]) if arguments else 60.0
    with tempfile.TemporaryDirectory() as folder:
        names = arguments[1:] or list(parsers(Path(folder)))
        if len(names) == 1 and os.environ.get("CARPUS_FUZZ") == "guided":
            guided(names[0], seconds, Path(folder))
        else:
            tried = at_random(names, seconds, int(time.time()), Path(folder))
            print(f"{tried} inputs over {len(names)} parsers in {seconds:.0f} s: nothing found")


if __name__ == "__main__":
    main(sys.argv[1:])
