"""Make ``curate/flags/skeleton.json`` of labelled hands: ``python -m benchmarks.flags.skeleton --data
../shared/data``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from shapely.geometry import Polygon

from curate.anatomy import side_of
from curate.flags.skeleton import Model, model_of, model_to, relative
from curate.sample.annotation import Annotation

SECOND_READER = {"ID122": "ID005", "ID035": "ID006", "ID165": "ID004", "ID101": "ID007", "ID045": "ID008"}
"""Patient in hands29_second -> the same patient in hands29."""

OUT = Path(__file__).resolve().parents[2] / "curate" / "flags" / "skeleton.json"


def labelled(folder: Path) -> dict[str, list[Annotation]]:
    """Film name (``IDnnn/image...``) -> its annotations, for a folder in the competition's layout."""
    found = {}
    for path in sorted((folder / "outputs_json").rglob("*.json")):
        entries = json.loads(path.read_text())["annotations"]
        found[path.relative_to(folder / "outputs_json").with_suffix("").as_posix()] = [
            Annotation(e["label"], Polygon(e["points"]).buffer(0), e["id"], rings=(np.array(e["points"], np.int32),))
            for e in entries
        ]
    return found


def steps_of(annotations: list[Annotation]) -> tuple[np.ndarray, np.ndarray]:
    """The film's steps between bones, mirrored to a right hand."""
    places = {a.label: np.array([a.geometry.centroid.x, a.geometry.centroid.y]) for a in annotations}
    areas = {a.label: a.geometry.area for a in annotations}
    return relative(places, areas, side_of(annotations) == "left")


def build(data: Path, without: frozenset[str] = frozenset()) -> Model:
    """The model of the shared labelled films, each with its weight, but for those of some patients."""
    films = {}
    for folder in ("hands29", "hands29_second"):
        films.update({k: v for k, v in labelled(data / folder).items() if k.split("/")[0] not in without})
    return model_of([steps_of(a) for a in films.values()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    stored = model_to(
        build(args.data), "labelled films of hands29 and hands29_second (FracAtlas, CC BY 4.0; normal-hand-pa, CC0)"
    )
    OUT.write_text(json.dumps(stored, indent=0) + "\n")


if __name__ == "__main__":
    main()
