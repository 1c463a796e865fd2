"""GeoJSON, as slide viewers write it: one ``FeatureCollection`` a picture, y downwards, holes and parts and all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from curate.errors import CarpusError, LabelError, UsageError
from curate.files import write_atomically
from curate.formats.base import (
    Exported,
    Holds,
    Item,
    Part,
    Pictures,
    Reading,
    Shape,
    about_sample,
    label_name,
    read_about,
)
from curate.sample.image import read_bytes
from curate.sample.labelfile import load_json


class GeoJson:
    """``labels/X.geojson`` and ``images/X.png``, or both in one folder."""

    name = "geojson"
    holds = Holds()

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading()
        place = labels or (root / "labels" if (root / "labels").is_dir() else root)
        pictures = Pictures(images or (root / "images" if (root / "images").is_dir() else root))
        files = sorted(place.rglob("*.geojson"))
        if not files:
            raise UsageError(place, "holds no .geojson file")
        read = set()
        for path in files:
            try:
                picture = pictures.of(path.relative_to(place).with_suffix("").as_posix())
                if picture is None:
                    raise LabelError(path, "its picture is missing")
                read.add(picture)
                reading.items.append(self._item(path, picture, pictures))
            except CarpusError as error:
                reading.refused.append(error)
        reading.items += [Item(pictures.name(p), p) for p in pictures.paths if p not in read]
        reading.classes = sorted({s.label for i in reading.items for s in i.shapes or ()})
        return reading

    def _item(self, path: Path, picture: Path, pictures: Pictures) -> Item:
        document = load_json(read_bytes(path), path)
        features = document.get("features") if isinstance(document, dict) else document
        if isinstance(document, dict) and document.get("type") == "Feature":
            features = [document]
        if not isinstance(features, list):
            raise LabelError(path, "has no list of features")
        shapes = []
        for k, feature in enumerate(features):
            properties = feature.get("properties") if isinstance(feature, dict) else None
            geometry = feature.get("geometry") if isinstance(feature, dict) else None
            if not isinstance(properties, dict) or not isinstance(geometry, dict):
                raise LabelError(path, f"feature {k} has no properties or no geometry")
            named = properties.get("classification")
            name = named.get("name") if isinstance(named, dict) else properties.get("label", properties.get("name"))
            name = label_name(name, path)
            parts = tuple(self._parts(geometry, name, path))
            shapes.append(Shape(name, parts, str(feature.get("id", k)), {}))
        about = read_about(document.get("properties") if isinstance(document, dict) else None)
        return Item(pictures.name(picture), picture, path, tuple(shapes), **about)

    def _parts(self, geometry: dict[str, Any], label: str, path: Path) -> list[Part]:
        rings = geometry.get("coordinates")
        if geometry.get("type") == "Polygon":
            rings = [rings]
        elif geometry.get("type") != "MultiPolygon":
            raise LabelError(path, f"{label}: a {str(geometry.get('type'))[:40]} is not a polygon")
        parts = []
        for part in rings if isinstance(rings, list) else [None]:
            if not isinstance(part, list) or not part or not all(isinstance(r, list) for r in part):
                raise LabelError(path, f"{label}: coordinates are not rings of points")
            flat = [[p[:2] if isinstance(p, list) and len(p) == 3 else p for p in r] for r in part]  # without heights
            closed = [r[:-1] if len(r) > 1 and r[0] == r[-1] else r for r in flat]
            parts.append(Part(closed[0], tuple(closed[1:])))
        return parts

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        for sample in samples:
            if not sample.labelled:
                continue
            features = []
            for shape in sample.shapes:
                parts = [[[list(p) for p in (*r, r[0])] for r in (part.outer, *part.holes)] for part in shape.parts]
                kind, coordinates = ("Polygon", parts[0]) if len(parts) == 1 else ("MultiPolygon", parts)
                properties = {"objectType": "annotation", "classification": {"name": shape.label}}
                geometry = {"type": kind, "coordinates": coordinates}
                features.append({"type": "Feature", "id": shape.id, "geometry": geometry, "properties": properties})
            document = {"type": "FeatureCollection", "properties": about_sample(sample), "features": features}
            write_atomically(out / f"labels/{sample.id}.geojson", orjson.dumps(document))
