"""Where a sample comes from: its parents, down to each annotation and each vertex; and the history of the versions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from curate.errors import UsageError
from curate.manifest import Manifest, SampleRow, Version
from curate.sample.annotation import Annotation
from curate.sample.geometry import apply_affine, compose, scale_affine
from curate.sample.read import SampleReader
from curate.sample.recipe import Placement, Recipe
from curate.summary import about

SAME = 1e-6
"""Two vertices nearer than this, in pixels, are one."""


@dataclass(frozen=True)
class Origin:
    """Where the vertices of one annotation of a child come from.

    Attributes:
        id, label: of the annotation. source: the original annotation. vertices: all of them.
        kept: mapped from a vertex of the parent's annotation. cut: made by a clip at an edge.
        bent: a displacement field moved them all, after cutting long edges.
    """

    id: str
    label: str
    source: str | None
    vertices: int
    kept: int
    cut: int
    bent: bool

    def to_dict(self) -> dict[str, Any]:
        fields = dict(vars(self))
        return {"id": fields.pop("id"), "class": fields.pop("label"), **fields}


def sample_log(version: Version, sample: str, annotation: str | None = None) -> dict[str, Any]:
    """The lineage of a sample as a tree of plain data: what made it, from what, and its annotations.

    Args:
        annotation: follow this annotation (its id, or its class) only.

    Raises:
        UsageError: the version never knew such a sample, or it has no such annotation.
    """
    if sample not in version.known:
        raise UsageError(sample, f"is no sample of {version.name} or of a version before it")
    reader = SampleReader(version)
    chosen = [a for a in reader.annotations(sample) if annotation in (None, a.id, a.label)]
    if annotation is not None and not chosen:
        raise UsageError(sample, f"has no annotation {annotation}")
    return _node(version, reader, sample, chosen, None)


def _node(
    version: Version, reader: SampleReader, sample: str, chosen: list[Annotation], place: Placement | None
) -> dict[str, Any]:
    row = version.known[sample]
    node: dict[str, Any] = {"id": sample, "made_by": None, "in_version": sample in version.by_id}
    node |= {"group": row.group, "fold": row.fold, "size": [row.width, row.height], "tags": list(row.tags)}
    if place is not None:
        node["placement"] = describe(place)
    if row.is_original:
        node |= {"image": row.image, "labels": row.labels, "first_in": _first(version, row)}
        shapes = [{"id": a.id, "class": a.label, "vertices": _count(a)} for a in chosen]
        return node | {"annotations": shapes, "parents": []}
    recipe = Recipe.from_dict(row.recipe)
    node |= {"made_by": recipe.operator, "seed": recipe.seed, "first_in": _first(version, row)}
    node["filters"] = [f.name for f in recipe.filters]
    node["annotations"] = [_origin(a, recipe, reader).to_dict() for a in chosen]
    wanted = {a.source for a in chosen}
    node["parents"] = []
    for step in recipe.placements:
        below = [a for a in reader.annotations(step.parent) if _source(step.parent, a) in wanted]
        node["parents"].append(_node(version, reader, step.parent, below, step))
    return node


def _first(version: Version, row: SampleRow) -> str:
    """The oldest version of the chain in which this very row was written."""
    for step in reversed(version.chain()):
        if row.id in step.by_id and step.by_id[row.id].digest == row.digest:
            return step.name
    return version.name


def describe(place: Placement) -> str:
    """A placement in words: scale, turn, shift, and what bends or blends."""
    a = place.matrix()
    scale = math.sqrt(abs(float(np.linalg.det(a[:, :2]))))
    turn = math.degrees(math.atan2(a[1, 0], a[0, 0]))
    mirrored = np.linalg.det(a[:, :2]) < 0
    words = [f"x{scale:.4g}", f"turned {turn:.4g}°" if abs(turn) > 1e-9 and not mirrored else "",
             "mirrored" if mirrored else "", f"shifted ({a[0, 2]:.5g}, {a[1, 2]:.5g})",
             "bent by a field" if place.field is not None else "",
             f"{place.blend} {place.weight:g}" if place.blend != "replace" else ""]  # fmt: skip
    return ", ".join(w for w in words if w)


def _source(parent: str, annotation: Annotation) -> str:
    return annotation.source or f"{parent}#{annotation.id}"


def _count(annotation: Annotation) -> int:
    return int(sum(len(r.coords) - 1 for p in annotation.parts for r in (p.exterior, *p.interiors)))


def _points(geometry: shapely.Geometry) -> np.ndarray:
    return shapely.get_coordinates(geometry)


def _origin(annotation: Annotation, recipe: Recipe, reader: SampleReader) -> Origin:
    """How many of a child's vertices are a parent's, mapped by the one affine, and how many a clip made."""
    total = _count(annotation)
    places = [p for p in recipe.placements
              if any(_source(p.parent, a) == annotation.source for a in reader.annotations(p.parent))]  # fmt: skip
    if any(p.field is not None for p in places):
        return Origin(annotation.id, annotation.label, annotation.source, total, 0, 0, True)
    scale = scale_affine(float(np.prod([f.scale for f in recipe.filters])) if recipe.filters else 1.0)
    mapped = [
        apply_affine(compose(scale, p.matrix()), _points(a.geometry))
        for p in places
        for a in reader.annotations(p.parent)
        if _source(p.parent, a) == annotation.source
    ]
    own = np.unique(_points(annotation.geometry), axis=0)
    kept = 0
    if mapped:
        tree = shapely.STRtree(shapely.points(np.vstack(mapped)))
        near = tree.query_nearest(shapely.points(own), max_distance=SAME, all_matches=False, return_distance=False)
        kept = len(np.unique(near[0]))
    kept = min(kept, total)
    return Origin(annotation.id, annotation.label, annotation.source, total, kept, total - kept, False)


def tree_lines(node: dict[str, Any], annotations: int = 8, prefix: str = "") -> list[str]:
    """A lineage as lines of text, one branch a parent."""
    made = f"{node['made_by']} (seed {node['seed']})" if node["made_by"] else f"original {node['image']}"
    fold = "test" if node["fold"] is None else f"fold {node['fold']}"
    placed = f"; {node['placement']}" if "placement" in node else ""
    lines = [f"{node['id']}  {made}, {node['group']}, {fold}, since {node['first_in']}{placed}"]
    inner = [_annotation_line(a) for a in node["annotations"][:annotations]]
    if len(node["annotations"]) > annotations:
        inner.append(f"and {len(node['annotations']) - annotations} more annotations")
    branches = [[line] for line in inner] + [tree_lines(p, annotations) for p in node["parents"]]
    for k, branch in enumerate(branches):
        last = k == len(branches) - 1
        lines += [("└─ " if last else "├─ ") + branch[0], *(("   " if last else "│  ") + b for b in branch[1:])]
    return lines


def _annotation_line(a: dict[str, Any]) -> str:
    if "source" not in a:
        return f"{a['class']} #{a['id']}: {a['vertices']} vertices, as drawn"
    how = "all bent by the field" if a["bent"] else f"{a['kept']} of the parent's, {a['cut']} made by a clip"
    return f"{a['class']} #{a['id']} from {a['source']}: {a['vertices']} vertices, {how}"


def history(manifest: Manifest, tagged: bool = False) -> list[dict[str, Any]]:
    """Every version, newest first: what made it, its tags, and its author's note.

    Args:
        tagged: only versions that have a tag.
    """
    tags: dict[str, list[str]] = {}
    for name, version in manifest.head.get("tags", {}).items():
        tags.setdefault(version, []).append(name)
    notes = manifest.head.get("notes", {})
    return [
        {
            "version": v.name,
            "parent": v.parent,
            "about": about(v.step),
            "n": len(v),
            "digest": v.digest,
            "tags": sorted(tags.get(v.name, ())),
            "note": notes.get(v.name),
        }
        for v in reversed(manifest.versions())
        if not tagged or v.name in tags
    ]
