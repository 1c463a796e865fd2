"""Parsers of one document: label files, recipes (and their rendering), run lengths, outlines to edit with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import shapely

from curate.errors import RecipeError
from curate.formats.masks import decode_rle, trace
from curate.formats.normal import attributes_of, shapes_from
from curate.formats.provenance import source_of
from curate.sample.annotation import Annotation
from curate.sample.door import admit
from curate.sample.labelfile import load_json, read_derived, read_labels
from curate.sample.recipe import Recipe
from curate.sample.render import render
from curate.sample.warp import Film
from tests.faults.fuzzing.pictures import GREY, SIZE
from tests.faults.fuzzing.target import Target
from train.predict.rle import decode, read_submission


def square(x: float = 2) -> list[list[float]]:
    return [[x, 2], [x + 9, 2], [x + 9, 11], [x, 11]]


_HOLE = [[5, 5], [8, 5], [8.5, 8], [5, 8]]


def label_file() -> bytes:
    """Two annotations of one id, with holes and where they came from."""
    entry = {"id": "a-1", "type": "poly_seg", "label": "a", "points": square(), "holes": [_HOLE],
             "attributes": {"source": "x#1", "weight": 1.0}}  # fmt: skip
    return orjson.dumps({"annotations": [entry, entry], "attributes": {"source": {"file": "x", "digest": "y"}}})


_PLACE = {"parent": "x", "affine": [[1, 0, 0], [0, 1, 0]], "region": [-0.5, -0.5, 23.5, 15.5], "field": None}
_FIELD = {"rows": 2, "cols": 2, "dx": [0, 1, 0, 1], "dy": [0, 0, 1, 1]}
_RING = [[1, 1], [20, 2], [10, 14]]


def _recipe_file(filters: list, *places: dict) -> bytes:
    head = {"operator": "mosaic", "operator_version": 1, "seed": 1, "size": list(SIZE), "fill": "background"}
    return orjson.dumps({**head, "placements": [_PLACE | p for p in places], "filters": filters})


RECIPES = (
    _recipe_file([{"name": "CLAHE", "params": {"clip_limit": 2.0}, "scale": 1}], {"field": _FIELD}),
    _recipe_file([], {"blend": "mean", "weight": 0.5}, {"blend": "mean", "weight": 0.5, "region": _RING}),
    _recipe_file([], {}, {"blend": "attenuate", "weight": 0.5, "region": _RING, "labels": ["a"]}),
)


def _labels(data: bytes, _: Path) -> None:
    found = read_labels(data, "x.json", SIZE)
    shapes_from(found.annotations, attributes_of(data, "x.json"))
    source_of(data)


def _document(data: bytes) -> dict | None:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _recipe(data: bytes, _: Path) -> None:
    document = _document(data)
    if document is not None:
        recipe = Recipe.from_dict(document)
        recipe.canonical()
        if max(*recipe.size, *recipe.output_size) <= 64:
            film = Film(GREY.astype(np.uint8), 0)
            annotations = [Annotation("a", shapely.Polygon(square()), "1")]

            def film_of(name: str) -> Film:
                if name != "x":
                    raise RecipeError(name, "is not there")
                return film

            render(recipe, film_of, lambda _: annotations)


def _rle(data: bytes, _: Path) -> None:
    document = _document(data)
    if document is not None:
        trace(decode_rle(document, Path("x.json"), "a"), "x.json")


def _outline(data: bytes, _: Path) -> None:
    points = load_json(data, "x.json")
    if isinstance(points, list):
        admit(points, [], SIZE, "x.json", "a")


def _submission(data: bytes, folder: Path) -> None:
    (folder / "x.csv").write_bytes(data)
    for _, _, text in read_submission(folder / "x.csv"):
        decode(text, *SIZE)


def targets() -> dict[str, Target]:
    rle = tuple(orjson.dumps({"size": [16, 24], "counts": c}) for c in ([30, 4, 350], "n04n:"))
    return {
        "labels": Target((label_file(),), _labels),
        "derived": Target((label_file(),), lambda data, _: read_derived(data, "x.json")),
        "recipe": Target(RECIPES, _recipe),
        "rle": Target(rle, _rle),
        "outline": Target((orjson.dumps(square()),), _outline),
        "submission": Target((b"image_name,class,rle\nx.png,a,1 4 30 2\ny.png,b,\n",), _submission),
    }
