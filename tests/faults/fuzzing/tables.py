"""Parsers of what stands beside the manifest's head: the head itself, tables, splits, flags, journals, spreadsheets."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import orjson

from augment.journal import Journal
from augment.runfile import read_plan
from curate.flags.store import load_flags
from curate.formats.meta import read_meta
from curate.manifest.head import read_head, seal_fault
from curate.manifest.row import SampleRow
from curate.manifest.rows import rows_of
from curate.manifest.splits import read_split
from curate.manifest.table import read_table, to_bytes, to_table
from tests.faults.fuzzing.labels import RECIPES
from tests.faults.fuzzing.mutate import mutate_zip
from tests.faults.fuzzing.target import Parse, Target

_HEAD = b"""carpus: 1
name: x
classes:
- a
splits:
  s1: {file: data_manifest/splits/s1.csv, digest: 'sha256:%b', groups: 1, folds: 2, test: 0.0, seed: 0}
versions:
  v1:
    parent: null
    step: {name: init, format: coco}
    split: s1
    samples: 1
    digest: sha256:%b
    table: {file: data_manifest/v1.parquet, rows: 1, digest: 'sha256:%b'}
    made_with: {numpy: '2'}
    refused: [{path: x, detail: y}]
tags: {best: v1}
notes: {v1: why}
""" % ((b"0" * 64,) * 3)
_FLAG = {"name": "jewellery", "score": 0.9, "threshold": 0.5, "flagged": True, "where": [1, 2, 3, 4], "why": "x"}
_FLAGS = orjson.dumps({"id": "x", "image": "x", "digest": "d", "flags": [_FLAG], "measures": {}, "kept": {}}) + b"\n"
_PLAN = b"""seed: 1
from: v1
name: v9
operators:
- rotate: {n: 100, match: test}
- crop: {n: 40, region: carpal, size: 512, select: {without-flag: [implant]}}
- mosaic: {n: 3, seed: 4}
"""
_JOURNAL = orjson.dumps({"id": "x", "image": "data_manifest/a", "file": "d", "labels": "b", "label_file": "e"}) + b"\n"


def _file(name: str, read: Callable[[Path], object]) -> Parse:
    def parse(data: bytes, folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        read(folder / name)

    return parse


def _head(path: Path) -> None:
    seal_fault(path)
    read_head(path)


def _table(path: Path) -> None:
    for pages_only in (False, True):
        rows = rows_of(read_table(path, pages_only=pages_only), {"A": 0})
        for row in rows:
            if not row.is_original:
                row.plan()


def _flags(path: Path) -> None:
    for result in load_flags(path.parents[1]).values():
        result.to_dict()
        assert result.digest.split()[0]
        assert {result.id, result.image, *result.flagged}


def _rows() -> bytes:
    child = SampleRow("c", None, None, "A", 0, "train", None, 24, 16, parents=("x",), recipe=orjson.loads(RECIPES[0]))
    film = SampleRow("x", "x.png", "x.json", "A", 0, "train", None, 24, 16, tags=("t",), meta={"age": 4})
    return to_bytes(to_table([film, child], ["gone"]))


def _sheet() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["ID", "나이", "성별", "체중(몸무게)", "키(신장)", None])
    book.active.append([1, 41, "여_x0008_", 60.5, "170", "네일아트"])
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _journal(data: bytes, folder: Path) -> None:
    journal = Journal(folder, "v2", {"name": "x"})
    journal.path.parent.mkdir(parents=True, exist_ok=True)
    journal.path.write_bytes(data)
    journal.finished()


def targets() -> dict[str, Target]:
    return {
        "head": Target((_HEAD,), _file("data_manifest.yaml", _head)),
        "split": Target((b"group,fold\nA,0\nB,test\n",), _file("s1.csv", read_split)),
        "table": Target((_rows(),), _file("v1.parquet", _table)),
        "flags": Target((_FLAGS,), _file("data_manifest/flags.jsonl", _flags)),
        "journal": Target((_JOURNAL,), _journal),
        "plan": Target((_PLAN,), _file("plan.yaml", read_plan)),
        "sheet": Target((_sheet(),), _file("meta.xlsx", read_meta), mutate_zip),
    }
