"""Parsers of whole layouts: everything from a foreign format's files to rows, over a folder of one picture."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson

from curate.films import Source, read_films
from tests.faults.fuzzing.labels import label_file, square
from tests.faults.fuzzing.mutate import mutate_png
from tests.faults.fuzzing.pictures import index_png, small_png
from tests.faults.fuzzing.target import Parse, Target

_FLAT = [c for p in square() for c in p]


def _coco() -> bytes:
    shapes = [[_FLAT], {"size": [16, 24], "counts": [30, 4, 350]}, {"size": [16, 24], "counts": "n04n:"}]
    kept = {"iscrowd": 1, "score": 0.5, "attributes": {"occluded": True}}
    return orjson.dumps({
        "images": [{"id": 1, "file_name": "x.png", "width": 24, "height": 16, "group": "g", "tags": ["t"]}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": k, "image_id": 1, "category_id": 1, "segmentation": s} | (kept if k == 1 else {})
                        for k, s in enumerate(shapes)],
    })  # fmt: skip


def _datumaro() -> bytes:
    one = {"id": 1, "type": "polygon", "label_id": 0, "group": 1, "points": _FLAT, "attributes": {"b": 1}}
    mask = {"id": 2, "type": "mask", "label_id": 0, "rle": {"size": [16, 24], "counts": [30, 4, 350]}}
    item = {"id": "x", "annotations": [one, one, mask], "image": {"path": "x.png", "size": [16, 24]}, "attr": {}}
    return orjson.dumps({"categories": {"label": {"labels": [{"name": "a"}]}}, "items": [item]})


_CVAT = (b'<annotations><version>1.1</version><image id="0" name="x.png" width="24" height="16" '
         b'subset="train" carpus-group="g">'
         b'<polygon label="a" points="2,2;9,2;9,9" occluded="1" group_id="1"><attribute name="b">c</attribute>'
         b'</polygon><mask label="a" rle="2,3,4" left="1" top="1" width="3" height="3"/><box label="b" xtl="1" ytl="1" '
         b'xbr="5" ybr="6" rotation="9.5"/><ellipse label="b" cx="9" cy="8" rx="4" ry="3" rotation="5"/>'
         b'<tag label="ring"/></image></annotations>')  # fmt: skip
_LABELME = orjson.dumps({"flags": {"ring": True}, "shapes": [
    {"label": "a", "points": square(), "group_id": 1, "flags": {"b": True}},
    {"label": "b", "points": square()[::2], "shape_type": "rectangle"}, {"label": "b", "shape_type": "point"},
    {"label": "b", "points": square()[:2], "shape_type": "circle"},
    {"label": "c", "points": square()[::2], "shape_type": "mask", "mask": base64.b64encode(index_png()).decode()}],
    "imagePath": "x.png", "imageWidth": 24, "imageHeight": 16})  # fmt: skip
_CLOSED = [*square(), square()[0]]
_GEO = orjson.dumps({"properties": {"group": "g"}, "features": [
    {"id": 1, "properties": {"label": "a"}, "geometry": {"type": "MultiPolygon", "coordinates": [[_CLOSED]]}},
    {"properties": {"classification": {"name": "b"}}, "geometry": {"type": "Polygon", "coordinates": [_CLOSED]}},
]})  # fmt: skip
_NNUNET = orjson.dumps({"labels": {"background": 0, "a": 1, "b": 2, "ignore": 3},
                        "carpus": {"x": {"group": "g", "tags": ["t"]}}})  # fmt: skip


def layout(kind: str | None, label_file: str, image: str = "images/x.png", **beside: str | bytes) -> Parse:
    """A parser of one file of a layout: the others are good, and made where they are not there.

    Args:
        kind: of ``curate init --format``. beside: other files, ``__`` for a slash and ``_dot_`` for a dot in a name.
    """

    def parse(data: bytes, folder: Path) -> None:
        place = folder / (kind or "competition")
        others = {n.replace("__", "/").replace("_dot_", "."): b for n, b in beside.items()}
        for name, content in {image: small_png(), **others}.items():
            if not (place / name).exists():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        path = place / label_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        source = Source(place, kind=kind)
        found, refused, classes, _ = source.find()
        films = read_films(source, found, classes or None, "v1", 1, lambda items, total: items, refused)
        for error in films.refused:
            raise error

    return parse


def targets() -> dict[str, Target]:
    masks = {"classes_dot_txt": "a\nb\n"}
    return {
        "competition": Target((label_file(),), layout(None, "outputs_json/ID1/x.json", "DCM/ID1/x.png")),
        "coco": Target((_coco(),), layout("coco", "annotations/instances.json")),
        "labelme": Target((_LABELME,), layout("labelme", "x.json", "x.png")),
        "geojson": Target((_GEO,), layout("geojson", "labels/x.geojson")),
        "cvat": Target((_CVAT,), layout("cvat", "annotations.xml")),
        "datumaro": Target((_datumaro(),), layout("datumaro", "annotations/default.json")),
        "yolo": Target((b"0 0.1 0.1 0.5 0.1 0.5 0.6\n1 0.1 0.1 0.5 0.1 0.5 0.6 0.2 0.7\n",),
                       layout("yolo", "labels/x.txt", data_dot_yaml="names: [a, b]\n")),
        "yolo-names": Target((b"names: {0: a, 1: b}\npath: .\n", b"names: [a, b]\n"),
                             layout("yolo", "data.yaml", labels__x_dot_txt="0 0.1 0.1 0.5 0.1 0.5 0.6\n")),
        "nnunet": Target((_NNUNET,), layout("nnunet", "dataset.json", "imagesTr/x_0000.png",
                                            labelsTr__x_dot_png=index_png())),
        "masks": Target((index_png(),), layout("masks", "masks/x.png", **masks), mutate_png),
        "multimasks": Target((index_png(), small_png()), layout("multimasks", "masks/x/a.png", **masks), mutate_png),
        "mask-classes": Target((b"a\nb\n",), layout("masks", "classes.txt", masks__x_dot_png=index_png())),
    }  # fmt: skip
