"""Label errors planted in labels that were right, with their truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import Polygon

from curate.presets import CARPALS, FINGERS, FOREARM
from curate.sample.annotation import Annotation

Labels = list[Annotation]
Rng = np.random.Generator


def _renamed(labels: Labels, names: dict[str, str]) -> Labels:
    return [replace(a, label=names.get(a.label, a.label)) for a in labels]


def _moved(labels: Labels, which: int, geometry) -> Labels:
    return [replace(a, geometry=geometry, rings=None) if k == which else a for k, a in enumerate(labels)]


def _hand_size(labels: Labels) -> float:
    box = shapely.union_all([a.geometry for a in labels]).bounds
    return float(max(box[2] - box[0], box[3] - box[1]))


def swap_two(labels: Labels, size, rng: Rng) -> Labels:
    """Two bones of one finger, of one row, or of the wrist exchange names."""
    groups = [*FINGERS, *zip(*FINGERS, strict=True), CARPALS]
    a, b = rng.choice(groups[rng.integers(len(groups))], 2, replace=False)
    return _renamed(labels, {str(a): str(b), str(b): str(a)})


def swap_fingers(labels: Labels, size, rng: Rng) -> Labels:
    """Two whole fingers exchange names."""
    i, j = rng.choice(4, 2, replace=False)
    pairs = list(zip(FINGERS[i], FINGERS[j], strict=True))
    return _renamed(labels, {**dict(pairs), **{b: a for a, b in pairs}})


def mirror_names(labels: Labels, size, rng: Rng) -> Labels:
    """The fingers and the forearm named as on the other hand."""
    pairs = [*zip(FINGERS[0], FINGERS[3], strict=True), *zip(FINGERS[1], FINGERS[2], strict=True), FOREARM]
    return _renamed(labels, {**dict(pairs), **{b: a for a, b in pairs}})


def mirror_outlines(labels: Labels, size, rng: Rng) -> Labels:
    """The outlines of the mirrored film: the other hand's labels."""
    return [
        replace(a, geometry=affinity.affine_transform(a.geometry, [-1, 0, 0, 1, size[0] - 1, 0]), rings=None)
        for a in labels
    ]


def misplace(labels: Labels, size, rng: Rng) -> Labels:
    """One outline a sixth to a third of the hand away from its bone."""
    k, angle = int(rng.integers(len(labels))), rng.uniform(0, 2 * np.pi)
    far = rng.uniform(0.16, 0.33) * _hand_size(labels)
    return _moved(labels, k, affinity.translate(labels[k].geometry, far * np.cos(angle), far * np.sin(angle)))


def repeat(labels: Labels, size, rng: Rng) -> Labels:
    """One outline twice: under its own name, or in the place of another bone's."""
    k, j = (int(v) for v in rng.choice(len(labels), 2, replace=False))
    if rng.random() < 0.5:
        return [*labels, replace(labels[k], id="again", geometry=affinity.translate(labels[k].geometry, 2, 1))]
    return _moved(labels, j, labels[k].geometry)


def resize(labels: Labels, size, rng: Rng) -> Labels:
    """One outline three times too large or too small in area."""
    k = int(rng.integers(len(labels)))
    factor = float(np.sqrt(3.0 if rng.random() < 0.5 else 1 / 3))
    return _moved(labels, k, affinity.scale(labels[k].geometry, factor, factor))


def cross(labels: Labels, size, rng: Rng) -> Labels:
    """One outline whose ring crosses itself in a small loop: two neighbouring points in the wrong order."""
    k = int(rng.integers(len(labels)))
    ring = np.array(labels[k].geometry.exterior.coords[:-1])
    for at in rng.permutation(len(ring) - 3):
        turned = ring.copy()
        turned[[at + 1, at + 2]] = turned[[at + 2, at + 1]]
        if not Polygon(turned).is_valid:
            ring = turned
            break
    return [replace(a, rings=(np.round(ring).astype(np.int32),)) if j == k else a for j, a in enumerate(labels)]


def slip(labels: Labels, size, rng: Rng) -> Labels:
    """One long bone's outline 2.5% of the hand off, or a fifth too large."""
    long = [k for k, a in enumerate(labels) if a.label not in CARPALS]
    k, angle = int(rng.choice(long)), rng.uniform(0, 2 * np.pi)
    far = 0.025 * _hand_size(labels)
    if rng.random() < 0.5:
        return _moved(labels, k, affinity.translate(labels[k].geometry, far * np.cos(angle), far * np.sin(angle)))
    return _moved(labels, k, affinity.scale(labels[k].geometry, 1.35, 1.35))


def forget(labels: Labels, size, rng: Rng) -> Labels:
    """One bone without an outline."""
    gone = int(rng.integers(len(labels)))
    return [a for k, a in enumerate(labels) if k != gone]


PLANTS: dict[str, tuple[str, Callable[[Labels, tuple[int, int], Rng], Labels]]] = {
    "two names exchanged": ("label-swapped", swap_two),
    "two fingers exchanged": ("label-swapped", swap_fingers),
    "names of the other hand": ("label-side", mirror_names),
    "outlines of the other hand": ("label-side", mirror_outlines),
    "outline far off": ("label-misplaced", misplace),
    "outline twice": ("label-duplicate", repeat),
    "outline too large or small": ("label-geometry", resize),
    "outline crossing itself": ("label-geometry", cross),
    "outline slipped": ("label-edge", slip),
    "bone forgotten": ("label-missing", forget),
}
"""What was done -> the flag it must raise, and how it is done."""
