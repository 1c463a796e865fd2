"""What augmentation did to the labels that training sees: per class before and after, and what was dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from curate.manifest import EVALUATION_ONLY, SampleRow, Version
from curate.sample.labels import SLIVER_AREA, render_labels
from curate.sample.read import LABELS, SampleReader


class _Tally:
    """Areas of one set of samples, by class."""

    def __init__(self) -> None:
        self.samples: Counter[str] = Counter()
        self.annotations: Counter[str] = Counter()
        self.areas: dict[str, list[float]] = defaultdict(list)
        self.pixels: float = 0.0

    def add(self, row: SampleRow, annotations: Iterable) -> None:
        total: Counter[str] = Counter()
        for a in annotations:
            self.annotations[a.label] += 1
            total[a.label] += a.geometry.area
        for label, area in total.items():
            self.samples[label] += 1
            self.areas[label].append(area)
        self.pixels += row.width * row.height

    def of(self, label: str) -> dict[str, Any]:
        areas = self.areas.get(label, [])
        return {
            "samples": self.samples[label],
            "annotations": self.annotations[label],
            "area": round(float(np.sum(areas)), 3),
            "median_area": round(float(np.median(areas)), 3) if areas else None,
            "share": float(np.sum(areas) / self.pixels) if self.pixels else 0.0,
        }


def label_statistics(
    version: Version,
    progress: Callable[[Iterable[SampleRow], int], Iterable[SampleRow]] = lambda rows, total: rows,
) -> dict[str, Any]:
    """Areas of each class in training's originals and in all its samples, and what each operator dropped.

    Returns:
        plain data: ``classes`` (name, before, after, each with samples, annotations, area in px², the median area of
        the class in a sample, its share of all pixels), ``operators`` (name, samples, left, slivers, sliver_area) and
        ``sliver_area``, below which a clipped part is dropped.
    """
    reader = SampleReader(version, labels=LABELS)
    rows = [r for r in version.samples if r.labelled and r.fold is not None and EVALUATION_ONLY not in r.tags]
    before, after = _Tally(), _Tally()
    made: dict[str, dict[str, Any]] = {}
    for row in progress(rows, len(rows)):
        if row.is_original:
            annotations = reader.annotations(row.id)
            before.add(row, annotations)
        else:
            annotations, lost = _child(row, reader)
            about = made.setdefault(
                row.recipe["operator"], {"samples": 0, "left": Counter(), "slivers": Counter(), "sliver_area": 0.0}
            )
            about["samples"] += 1
            about["left"].update(lost["left"])
            about["slivers"].update(lost["slivers"])
            about["sliver_area"] += lost["sliver_area"]
        after.add(row, annotations)
    return {
        "version": version.name,
        "sliver_area": SLIVER_AREA,
        "samples": {"before": sum(r.is_original for r in rows), "after": len(rows)},
        "classes": [{"name": c, "before": before.of(c), "after": after.of(c)} for c in version.classes],
        "operators": [
            {
                "name": name,
                "samples": about["samples"],
                "left": dict(sorted(about["left"].items())),
                "slivers": dict(sorted(about["slivers"].items())),
                "sliver_area": round(about["sliver_area"], 3),
            }
            for name, about in sorted(made.items())
        ],
    }


def _child(row: SampleRow, reader: SampleReader) -> tuple[tuple, dict[str, Any]]:
    """A child's annotations and what was dropped: as its row says, or, without files, by making the labels."""
    if row.dropped is not None:
        return reader.annotations(row.id), row.dropped
    annotations, dropped = render_labels(row.plan(), reader.annotations)
    return annotations, dropped.to_dict()


def tables(found: dict[str, Any]) -> list[tuple[str, tuple[str, ...], list[tuple]]]:
    """The same as tables for people: (title, columns, rows)."""
    samples = found["samples"]
    lines = []
    for entry in found["classes"]:
        a, b = entry["before"], entry["after"]
        grown = (
            f"{b['median_area'] / a['median_area']:.2f}" if a["median_area"] and b["median_area"] is not None else ""
        )
        lines.append(
            (
                entry["name"], a["samples"], b["samples"], b["annotations"],
                "" if a["median_area"] is None else f"{a['median_area']:.0f}",
                "" if b["median_area"] is None else f"{b['median_area']:.0f}",
                grown, f"{1e3 * a['share']:.2f}", f"{1e3 * b['share']:.2f}",
            )
        )
    title = f"{found['version']}: {samples['before']} films before, {samples['after']} samples after"
    columns = ("class", "films", "samples", "parts", "median px²", "after", "ratio", "‰ of pixels", "after")
    dropped = [
        (o["name"], o["samples"], sum(o["left"].values()), sum(o["slivers"].values()), f"{o['sliver_area']:.1f}")
        for o in found["operators"]
    ]
    heads = ("operator", "samples", "left the frame", f"slivers under {found['sliver_area']:g} px²", "their area")
    return [(title, columns, lines), *([("dropped", heads, dropped)] if dropped else [])]
